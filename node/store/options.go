package store

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	defaultMemTableBytes = 4 << 20
	minMemTableBytes     = 256 << 10
	maxMemTableBytes     = 64 << 20

	// blockCacheBytes is beside the memtables, which Pebble counts against its
	// cache. A log is read seldom, and then forwards.
	blockCacheBytes = 2 << 20

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
	// there may be two; 0 is 4 MiB. An entry may be larger.
	MemTableBytes uint64
	// Logger gets errors only; nil is slog.Default.
	Logger *slog.Logger
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
		CacheSize:          int64(o.MemTableBytes + blockCacheBytes),
		MemTableSize:       o.MemTableBytes,
		MaxOpenFiles:       maxOpenTables,
		Logger:             log,
		ErrorIfNotExists:   o.Existing,
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
