package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// LostError says that a file of an open store is not there any more, or is another
// one: somebody removed, moved or exchanged it. What would be written on is gone
// with the process.
type LostError struct {
	Dir  string // of the store
	Path string // what is not there
}

func (e *LostError) Error() string {
	return fmt.Sprintf("store: %s is gone, or is not the one any more that this node writes to; the way out: if it was moved, move it back; "+
		"if %s lies on a file system that was unmounted, mount it; else remove this node, empty its data_dir, add it again", e.Path, e.Dir)
}

// Unwrap makes it an fs.ErrNotExist.
func (e *LostError) Unwrap() error { return fs.ErrNotExist }

// current are the files that an open store cannot do without: its directory, its
// watermark, and what it writes to now. Pebble removes none of them before it has
// made the next one.
type current struct {
	mu    sync.Mutex
	files map[string]file // by what it is for
}

type file struct {
	path  string
	inode uint64 // 0: not known
}

func (c *current) set(what, path string, inode uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = map[string]file{}
	}
	c.files[what] = file{path, inode}
}

func (c *current) all() []file {
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []file
	for _, f := range c.files {
		l = append(l, f)
	}
	slices.SortFunc(l, func(a, b file) int { return cmp.Compare(len(a.path), len(b.path)) }) // the directory first
	return l
}

// writesTo notes that a file has taken the place of the one for the same.
func (p *Pebble) writesTo(what, path string) {
	inode, _ := p.inode(path)
	p.current.set(what, path, inode)
}

// inode tells a file from another at the same path.
func (p *Pebble) inode(path string) (uint64, error) {
	info, err := p.fs.Stat(path)
	if err != nil {
		return 0, err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino, nil
	}
	return 0, nil
}

// watchFrom notes what an opened store writes to. The listeners that note what
// comes next may have been called already.
func (p *Pebble) watchFrom() error {
	names, err := p.fs.List(p.dir)
	if err != nil {
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	newest := map[string]uint64{}
	for _, name := range names {
		what, number := kind(name)
		if what != "" && number >= newest[what] {
			newest[what] = number
			p.writesTo(what, p.fs.PathJoin(p.dir, name))
		}
	}
	p.writesTo("directory", p.dir)
	p.writesTo("watermark", watermarkPath(p.fs, p.dir))
	return nil
}

const (
	manifestFile = "manifest"
	logFile      = "write-ahead log"
)

// kind is what a file is for, if that is one of current, and its number.
func kind(name string) (string, uint64) {
	what, digits := "", ""
	if s, ok := strings.CutPrefix(name, "MANIFEST-"); ok {
		what, digits = manifestFile, s
	} else if s, ok := strings.CutSuffix(name, ".log"); ok {
		what, digits = logFile, s
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return "", 0
	}
	return what, n
}

// Present implements Store.
func (p *Pebble) Present() error {
	lost := p.missing()
	if lost == "" || p.missing() != lost { // it was removed in between, as no longer needed
		return nil
	}
	err := &LostError{Dir: p.dir, Path: lost}
	if p.enter() != nil {
		return nil
	}
	defer p.leave()
	p.guard.fail(err)
	return err
}

// missing is the path of a file that is not there; empty if all are, or if they
// cannot be looked at.
func (p *Pebble) missing() string {
	for _, f := range p.current.all() {
		inode, err := p.inode(f.path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && inode != f.inode && f.inode != 0 {
			return f.path
		}
	}
	if p.enter() != nil {
		return ""
	}
	var tables [][]pebble.SSTableInfo
	err := p.guard.do(func() (err error) {
		tables, err = p.db.SSTables()
		return err
	})
	p.leave()
	names, listed := p.fs.List(p.dir)
	if err != nil || listed != nil {
		return ""
	}
	there := map[string]bool{}
	for _, name := range names {
		there[filepath.Base(name)] = true
	}
	for _, level := range tables {
		for _, t := range level {
			if name := fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum)); !there[name] {
				return p.fs.PathJoin(p.dir, name)
			}
		}
	}
	return ""
}
