package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
)

// Pebble tells damage apart by a mark on some of its errors, by sentinels and by
// texts. What is damaged leaves this package as a *CorruptError; a file that
// cannot be opened, for want of a permission or of descriptors, is not damaged.

// damage returns what err says of the store's files; nil if they are not what is
// wrong.
func (p *Pebble) damage(err error) *CorruptError {
	var known *CorruptError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, pebble.ErrDBNotPristine): // it takes the store for one of a time before there were markers
		return p.corrupt("file "+p.fs.PathJoin(p.dir, formatMarker+"*"), errors.New("it is missing"))
	// A file that is not there: lost, or a crash of the machine interrupted the
	// very first Open, when nothing had been acknowledged.
	case strings.Contains(err.Error(), "object size mismatch"):
	case cutOptions(err.Error()): // Pebble's, which are the same in every store
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, record.ErrInvalidChunk), errors.Is(err, record.ErrZeroedChunk), errors.Is(err, record.ErrUnexpectedEOF):
	case errors.Is(err, syscall.EISDIR) && !strings.Contains(err.Error(), p.fs.PathJoin(p.dir, "LOCK")):
	default:
		return nil
	}
	// Pebble adds lines for its own reports.
	text, _, _ := strings.Cut(err.Error(), "\n")
	return p.corrupt(p.culprit(err, text), errors.New(text))
}

// background is damage for what Pebble met between two calls.
func (p *Pebble) background(err error) error {
	if damaged := p.damage(err); damaged != nil {
		return damaged
	}
	return fmt.Errorf("store: in the background: %w", err)
}

const (
	manifestMarker = "marker.manifest."
	formatMarker   = "marker.format-version."
)

var (
	fileName    = regexp.MustCompile(`(MANIFEST|OPTIONS)-\d+|\d{6,}\.(sst|log)`)
	tableNumber = regexp.MustCompile(`(?:file|table|L\d:) (\d{6,})`)
)

// culprit is the path of the file that an error is about, or what it is for.
func (p *Pebble) culprit(err error, text string) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return "file " + at.Path
	}
	if name := fileName.FindString(text); name != "" {
		return "file " + p.fs.PathJoin(p.dir, name)
	}
	if table := tableNumber.FindStringSubmatch(text); table != nil {
		return "file " + p.fs.PathJoin(p.dir, table[1]+".sst")
	}
	if cutOptions(text) {
		return "file " + p.fs.PathJoin(p.dir, p.options())
	}
	if strings.Contains(text, "WAL") {
		return "write-ahead log (files " + p.fs.PathJoin(p.dir, "*.log") + ")"
	}
	return "its files"
}

// cutOptions says that an error of Pebble, which names no file, is about the end of its
// OPTIONS file.
func cutOptions(text string) bool {
	return strings.Contains(text, "invalid key=value syntax") || strings.Contains(text, "name from file")
}

// options is the name of the newest OPTIONS file, the one that Pebble reads.
func (p *Pebble) options() string {
	name := "OPTIONS-*"
	names, _ := p.fs.List(p.dir) // it can only be named less well
	for _, n := range names {
		if n = filepath.Base(n); strings.HasPrefix(n, "OPTIONS-") && (name == "OPTIONS-*" || len(n) > len(name) || n > name) {
			name = n
		}
	}
	return name
}

// complete refuses a directory that was a store, but has lost the file that says
// so: Pebble would begin another one in it, and remove what is left of this one.
func (p *Pebble) complete() error {
	names, err := p.fs.List(p.dir)
	if err != nil {
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	was, manifest := false, false
	for _, name := range names {
		was = was || name == watermarkName
		manifest = manifest || strings.HasPrefix(name, manifestMarker)
	}
	if was && !manifest {
		return p.corrupt("file "+p.fs.PathJoin(p.dir, manifestMarker+"*"), errors.New("it is missing"))
	}
	return nil
}

// lockName is Pebble's.
const lockName = "LOCK"

// HoldsNothing says whether a file of that name is a store's and no sign that there is
// one: it keeps room back, or other processes out.
func HoldsNothing(name string) bool { return name == ballastName || name == lockName }

// IsFile says whether a store may have a file of that name in its directory.
func IsFile(name string) bool {
	return IsMark(name) || HoldsNothing(name) || strings.HasPrefix(name, "marker.") || fileName.MatchString(name)
}
