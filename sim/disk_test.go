package sim

import (
	"errors"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
	"github.com/pgraft/pgraft/core/storetest"
)

// The simulator's disk keeps the contract of a log store, as the one does that
// production runs on: what a run shows of the core rests on that.
func TestDiskKeepsTheContract(t *testing.T) {
	for name, r := range map[string]logstore.Retention{
		"Long": {RetainEntries: 1 << 40, RetainBytes: 1 << 40}, "Short": {RetainEntries: 4, RetainBytes: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Config{Histories: 200, Crashes: true, Retention: r, New: func(t storetest.TB) storetest.Disk {
				n := newWorld(Options{Seed: 1, Faults: []string{}}.withDefaults()).nodes[0]
				n.disk.dir.retention = limits(r)
				return &modelDisk{t: t, disk: &n.disk, opened: *limits(r)}
			}})
		})
	}
}

func limits(r logstore.Retention) *retention {
	r = r.WithDefaults()
	return &retention{entries: r.RetainEntries, bytes: r.RetainBytes, from: r.RetainFrom}
}

// modelDisk is a disk of a node that does not run, so that nothing happens by
// itself.
type modelDisk struct {
	t      storetest.TB
	disk   *disk
	opened retention
	open   *modelStore
}

func (d *modelDisk) Open() (logstore.Store, error) {
	*d.disk.dir.retention = d.opened
	d.open = &modelStore{disk: d.disk, written: d.disk.dir.clone()}
	return d.open, nil
}

func (d *modelDisk) Crash(keepPercent int, seed uint64) {
	d.disk.damage = For(seed, "damage")
	switch keepPercent {
	case 0:
		d.disk.crash(surviveNone)
	case 100:
		d.disk.crash(surviveAll)
	default:
		d.disk.crash(survivePrefix)
	}
	if f := d.disk.node.w.failure; f != nil {
		d.t.Fatalf("%+v", f)
	}
	d.open.closed = true
}

// modelStore is a process that has the disk open.
type modelStore struct {
	disk *disk
	// written is what the process reads: what is durable, and what it has written
	// since.
	written *directory
	closed  bool
}

func (s *modelStore) Identity() (core.Identity, bool, error) {
	return s.disk.dir.identity, s.disk.dir.hasIdentity, nil
}

func (s *modelStore) SetIdentity(id core.Identity) error {
	s.disk.dir.identity, s.disk.dir.hasIdentity = id, true
	return nil
}

func (s *modelStore) Load() (core.Durable, error) { return s.written.load() }

func (s *modelStore) Write(batches []core.Persist) error {
	for i := range batches {
		s.written.write(&batches[i])
	}
	if len(batches) > 0 {
		s.disk.writing, s.disk.busy = slices.Clone(batches), true
		s.disk.finish()
	}
	return nil
}

func (s *modelStore) Entries(first, last, maxBytes uint64) (es []core.Entry, err error) {
	if first > last {
		return nil, nil
	}
	to, err := s.Bounds().Find(first, last)
	for bytes := uint64(0); err == nil && first <= to; first++ {
		e := s.written.entry(first)
		es = append(es, *e)
		if bytes += uint64(len(e.Data)); bytes >= maxBytes {
			break
		}
	}
	return es, err
}

func (s *modelStore) SetRetention(r logstore.Retention) error {
	for _, d := range []*directory{s.disk.dir, s.written} {
		*d.retention = *limits(r)
	}
	s.written.trim()
	if len(s.disk.unsynced) == 0 {
		s.disk.dir.trim()
	}
	return nil
}

func (s *modelStore) Bounds() logstore.Bounds {
	d := s.written
	b := logstore.Bounds{First: max(d.first, 1), Last: d.last(), Gaps: d.gaps()}
	for _, e := range d.log {
		b.Bytes += uint64(len(e.Data))
	}
	return b
}

// Close is an orderly stop.
func (s *modelStore) Close() error {
	if s.closed {
		return errors.New("it is closed")
	}
	s.closed = true
	s.disk.crash(surviveAll)
	s.disk.dir.trim()
	return nil
}
