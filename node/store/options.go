package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"log/slog"

	"github.com/pgraft/pgraft/core"
)

const (
	defaultMemTableBytes = 4 << 20
	minMemTableBytes     = 256 << 10
	maxMemTableBytes     = 64 << 20

	maxMemTables = 4

	// blockCacheBytes is beside two memtables, which Pebble counts against its
	// cache. A log is read seldom, and then forwards.
	blockCacheBytes = 2 << 20

	// maxManifestBytes is how much a start reads at most to know which tables there
	// are, beside what a list of them takes.
	maxManifestBytes = 1 << 20

	// maxOpenTables bounds the file descriptors that the store keeps open.
	maxOpenTables = 64
)

// pebbleFormat is the version of Pebble's own files. It is fixed here so that
// an update of the library does not silently bar the way back.
const pebbleFormat = pebble.FormatTableFormatV6

// Options configure Open. The zero value is fit for production.
type Options struct {
	// FS is where the store lives; nil is the operating system's.
	FS vfs.FS
	// Retention can be changed later by SetRetention.
	Retention
	// MemTableBytes bounds the memory for what is not yet in tables, of which
	// there may be two, four while large entries are written; 0 is 4 MiB. An entry
	// may be larger.
	MemTableBytes uint64
	// Logger gets errors only; nil is slog.Default.
	Logger *slog.Logger
	// Newest is the newest version (core.NewestVersion) that the node knows; 0 means
	// all that this build knows. A store that needs a newer one is not opened.
	Newest uint32
	// Existing says that there is a store: where none is found, none is made, and
	// Open fails with fs.ErrNotExist.
	Existing bool
	// OnFull, when not nil, is called when a call finds no room, and not again
	// before Room has said that there is some. It must not block or call the store.
	OnFull func()
}

// Validate says what is wrong with the options, each with its value.
func (o Options) Validate() error {
	var errs []error
	if m := o.MemTableBytes; m != 0 && (m < minMemTableBytes || m > maxMemTableBytes) {
		errs = append(errs, fmt.Errorf("store: MemTableBytes %d is not between %d and %d", m, minMemTableBytes, maxMemTableBytes))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = defaultMemTableBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Newest = cmp.Or(o.Newest, core.NewestVersion)
	o.Retention = o.Retention.WithDefaults()
	return o
}

// pebbleOptions are for a store that is one of many things in a small process:
// little memory, few goroutines, one compaction at a time.
func (o Options) pebbleOptions(p *Pebble) *pebble.Options {
	log := pebbleLogger{guard: p.guard, log: o.Logger}
	po := &pebble.Options{
		FS:                 p.fs,
		FormatMajorVersion: pebbleFormat,
		CacheSize:          int64(2*o.MemTableBytes + blockCacheBytes),
		MemTableSize:       o.MemTableBytes,
		// A write waits while so many are full, the more of them the less a burst of
		// large entries does. There are two under any other load.
		MemTableStopWritesThreshold: maxMemTables,
		MaxOpenFiles:                maxOpenTables,
		MaxManifestFileSize:         maxManifestBytes,
		Logger:                      log,
		ErrorIfNotExists:            o.Existing,
		EventListener: &pebble.EventListener{
			// What Pebble could not do in the background, it cannot have done
			// for us either: a table that is not written, a compaction that
			// met a damaged block.
			BackgroundError: func(err error) { p.guard.fail(p.background(err)) },
			// The reader that met it gets the error too. Pebble's own handler
			// would end the process.
			WALCreated: func(info pebble.WALCreateInfo) {
				if info.Err == nil {
					p.writesTo(logFile, info.Path)
				}
			},
			ManifestCreated: func(info pebble.ManifestCreateInfo) {
				if info.Err == nil {
					p.writesTo(manifestFile, info.Path)
				}
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) { log.Errorf("%s", info) },
		},
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
	}
	po.Experimental.FileCacheShards = 1
	// One compaction at a time is always allowed, and the next begins when it ends: so
	// Pebble need not look ten times a second whether more are.
	po.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	p.moveEntries(po)
	return po
}

// pebbleLogger passes on what Pebble calls an error, and drops the rest.
type pebbleLogger struct {
	guard *guard
	log   *slog.Logger
}

func (l pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("store: pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return, and may not end the process: that would restart every
// backend of the PostgreSQL server. See guard.stop.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.guard.stop(fmt.Errorf("store: pebble: "+format, args...))
}

// moveEntries has Pebble write each entry twice, to its log and to a table: a table of
// entries is handed on from level to level as it is. A compaction rewrites what overlaps,
// and entries do not, as long as
//
//   - their tables hold nothing else. What changes with every batch goes into small
//     tables of its own, and so do tombstones of what retention has dropped, see span;
//   - no compaction of those takes in more than it must. It does as long as all of it is
//     below 25 times a table that it would make, so these are small;
//   - tables leave the first level one by one, which does so when it has more than a few,
//     and only the last one is below it.
func (p *Pebble) moveEntries(po *pebble.Options) {
	po.Experimental.SpanPolicyFunc = func(start []byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{}, p.span(start), nil
	}
	po.TargetFileSizes[0] = maxMemTableBytes // what is flushed is one table
	for i := 1; i < len(po.TargetFileSizes); i++ {
		po.TargetFileSizes[i] = int64(po.MemTableSize / 64)
	}
	po.L0CompactionFileThreshold = 4
	po.LBaseMaxBytes = 1 << 40
	// Nothing is packed: that is dearer than to write more, and what retention keeps is
	// counted as it is.
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
}

// span returns where a table that begins at start has to end; nil: anywhere.
func (p *Pebble) span(start []byte) []byte {
	for _, end := range [][]byte{entryKey(p.look().first()), entriesEnd} {
		if bytes.Compare(start, end) < 0 {
			return end
		}
	}
	return nil
}
