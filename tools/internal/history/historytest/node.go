package historytest

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

type node struct {
	c       *cluster
	id      core.Identity
	address string
	core    *core.Core // nil: not running
	life    uint64
	seq     uint64 // of the last input in this life
	disk    core.Durable
	log     []core.Entry // everything since the disk's snapshot
	members core.Members
	err     error
	watch   replay.FailoverWatch
	server  server

	recorder trace.Recorder
	cfg      core.Config
	files    uint64 // of its trace so far
	written  int    // bytes of the newest
}

func (n *node) start() {
	if n.core != nil {
		return
	}
	n.life++
	cfg := core.Config{TickMillis: tickMillis, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 200, MaxEntryBytes: 1000,
		Identity: n.id, Seed: n.c.Seed + uint64(n.id.NodeID) + n.life<<32}
	if n.c.Servers {
		cfg.Newest, cfg.Failover = n.c.newest(), core.FailoverConfig{Boot: n.life, SealMillis: 500}
	}
	d := n.disk
	d.Entries = slices.Clone(n.log)
	if n.core, n.err = core.New(cfg, d); n.err != nil {
		return
	}
	n.members = n.core.Members()
	n.seq = 0
	n.c.Start(n.id.NodeID, n.c.now, history.Start{Config: cfg, Durable: d}, n.core.Status())
	n.watch.Start(n.core, cfg.Failover.Boot)
	n.c.Failover(n.watch.Now(), nil)
	n.recordStart(cfg, d)
	life := n.life
	var beat func()
	beat = func() {
		if n.core != nil && n.life == life {
			n.step(core.Tick{})
			n.c.after(tick, beat)
		}
	}
	// Nodes do not tick at the same instant.
	n.c.after(tick/16*time.Duration(n.id.NodeID), beat)
	if n.c.Servers {
		n.boot()
	}
}

// step is the host: the order of what it does is core.Perform's.
func (n *node) step(in core.Input) {
	n.seq++
	n.recorder.Input(n.clock(), in)
	out := n.core.Step(in)
	n.recorder.Output(out)
	n.recorded()
	n.c.Step(n.id.NodeID, n.c.now, n.seq, in, out, n.core.Status())
	log := n.watch.Step(n.core, in, out.Failover)
	n.c.Failover(n.watch.Now(), log)
	if len(out.Persist) > 0 {
		life := n.life
		n.c.after(syncTime, func() { n.sync(life, out.Persist) })
	}
	for _, s := range out.Send {
		n.c.send(n, s)
	}
	if out.Failover != nil {
		n.order(*out.Failover)
	}
	if out.MembersChanged {
		n.members = n.core.Members()
	}
	if k := len(out.Apply); k > 0 {
		n.step(core.Applied{Index: out.Apply[k-1].Index})
	}
}

func (n *node) sync(life uint64, batches []core.Persist) {
	if n.core == nil || n.life != life {
		return
	}
	for _, b := range batches {
		n.write(b)
	}
	n.step(core.Persisted{Seq: batches[len(batches)-1].Seq})
}

func (n *node) write(b core.Persist) {
	if b.Snapshot != nil {
		n.disk.Snapshot, n.log = b.Snapshot, nil
	}
	if len(b.Entries) > 0 {
		keep := b.Entries[0].Index - n.disk.Snapshot.Index - 1
		n.log = append(n.log[:keep:keep], b.Entries...)
	}
	if b.Mark != nil {
		n.log = slices.Clone(n.log[b.Mark.Index-n.disk.Snapshot.Index:])
		n.disk.Snapshot = b.Mark
	}
	if b.HardState != nil {
		n.disk.HardState = *b.HardState
	}
	n.disk.PromiseMillis = max(n.disk.PromiseMillis, b.PromiseMillis)
}

// crash loses what is not synced.
func (n *node) crash() {
	n.core = nil
	n.server.crash()
}
