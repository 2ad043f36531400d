package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/retain"
)

// checkpointMagic begins every checkpoint. Its last byte is the version of what
// follows: a checkpoint is read only by the version that wrote it.
const checkpointMagic = "pgraft checkpoint\x06"

// ErrCheckpointVersion says that a checkpoint is of another version of pgraft.
var ErrCheckpointVersion = errors.New("core: checkpoint of another version")

// Checkpoint returns the whole state of the core as bytes: a core made of them
// by Restore gives the same outputs for the same inputs from here on, to the
// byte. It changes nothing, and may be called between any two Steps. What the
// host holds (batches handed out and not answered yet, messages on their way)
// is the host's to keep.
//
// It fails only if the linked raft library is not the one that it knows.
func (c *Core) Checkpoint() ([]byte, error) {
	k := checkpoint.Writer(append(make([]byte, 0, c.checkpointSize()), checkpointMagic...))
	if err := c.writeState(k); err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint32(k.Bytes(), crc(k.Bytes())), nil
}

// WriteCheckpoint gives Checkpoint to write, redacted by r unless that is nil, in
// pieces whose memory is used again: the whole may be many times larger than what
// write makes of it. When it fails, what was written is to be thrown away.
func (c *Core) WriteCheckpoint(r *Redaction, write func([]byte)) error {
	sum := uint32(0)
	put := func(b []byte) {
		sum = crc32.Update(sum, castagnoli(), b)
		write(b)
	}
	k := checkpoint.Writer([]byte(checkpointMagic))
	k.Drain(put)
	if r != nil {
		k.Rewrite(r.written, func(e *pb.Entry, b []byte) {
			if e.GetType() == pb.EntryNormal && len(b) > r.Over {
				r.command(b)
			}
		})
	}
	if err := c.writeState(k); err != nil {
		return err
	}
	put(k.Bytes())
	write(binary.LittleEndian.AppendUint32(nil, sum))
	return nil
}

func (c *Core) writeState(k *checkpoint.Codec) error {
	if c.library == nil {
		l, err := checkpoint.Open()
		if err != nil {
			return fmt.Errorf("core: %w", err)
		}
		c.library = l
	}
	c.state(k)
	if err := k.Err(); err != nil {
		return fmt.Errorf("core: %w", err)
	}
	return nil
}

// checkpointSize is about how many bytes a checkpoint takes, rather more.
func (c *Core) checkpointSize() int {
	base := c.log.base().Index
	size := 4096 + c.log.bytesBetween(base, c.last) + 16*(c.last-base) + uint64(32*c.requestIDs.len())
	for _, m := range c.log.marks {
		size += uint64(len(m.GetData())) + 256
	}
	return int(size)
}

// Restore makes the core that b was taken of. cfg must be as it was then; only
// the Seed is not looked at. A damaged checkpoint is refused.
func Restore(cfg Config, b []byte) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	n := len(checkpointMagic)
	if len(b) < n+4 || string(b[:n-1]) != checkpointMagic[:n-1] {
		return nil, errors.New("core: not a checkpoint")
	}
	if v := b[n-1]; v != checkpointMagic[n-1] {
		return nil, fmt.Errorf("%w: %d, this one knows %d", ErrCheckpointVersion, v, checkpointMagic[n-1])
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := crc(body); got != sum {
		return nil, fmt.Errorf("core: checkpoint of %d bytes is damaged: checksum %08x, not %08x", len(b), got, sum)
	}
	l, err := checkpoint.Open()
	if err != nil {
		return nil, fmt.Errorf("core: %w", err)
	}
	c := &Core{cfg: cfg, library: l, log: &tail{}}
	c.requestIDs.window, c.requestIDs.seed = cfg.Limits.RequestWindow, mix(cfg.Seed+2)
	k := checkpoint.Reader(body[n:])
	c.state(k)
	if err := k.Err(); err != nil {
		return nil, fmt.Errorf("core: %w", err)
	}
	if n := len(k.Bytes()); n > 0 {
		return nil, fmt.Errorf("core: checkpoint with %d bytes too many", n)
	}
	return c, nil
}

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// state is the walk through all fields, in both directions. Left out are only
// out, which is empty between two Steps, and library.
func (c *Core) state(k *checkpoint.Codec) {
	c.stateConfig(k)
	if k.Err() != nil {
		return
	}
	k.Uint(&c.self)
	c.log.state(k)
	if k.Err() != nil {
		return
	}
	c.library.Node(k, &c.rn.raw, c.cfg.raft(c.log))
	c.machine.state(k)
	k.Uint(&c.now)
	checkpoint.Number(k, &c.role)
	k.Uint(&c.lead)
	c.hard.state(k)
	k.Uint(&c.last)
	k.Flag(&c.removed)
	k.Flag(&c.lost)
	k.Uint(&c.lossTold)
	k.Uint(&c.replayed)
	k.Flag(&c.full)
	k.Uint(&c.fullAskedAt)
	k.Uint(&c.timer.deadline)
	k.Uint(&c.timer.random)
	k.Uint(&c.timer.campaigns)
	k.Uint(&c.timer.leader)
	c.promise.state(k)
	c.lease.state(k)
	c.peers.state(k)
	c.storage.state(k)
	c.proposed.state(k)
	c.changes.state(k)
	c.transfer.state(k)
	c.reads.state(k)
	if !k.Writing() {
		c.retain = retain.New(0, 0)
	}
	c.retain.State(k)
	if c.cfg.Newest >= FailoverVersion {
		c.failing.state(k, c.cfg.Failover.Boot != 0)
	}
}

// stateConfig refuses another configuration than the one that was written.
func (c *Core) stateConfig(k *checkpoint.Codec) {
	g := c.cfg
	code := func(g *Config) {
		id := &g.Identity
		name := []byte(id.ClusterID)
		k.Blob(&name)
		id.ClusterID = string(name)
		checkpoint.Number(k, &id.NodeID)
		k.Array(&id.ReplicaUUID)
		k.Array(&id.ClusterUUID)
		k.Uint(&id.RaftID)
		k.Flag(&id.Removed)
		k.Uint(&g.TickMillis)
		checkpoint.Number(k, &g.ElectionTicks)
		checkpoint.Number(k, &g.HeartbeatTicks)
		k.Uint(&g.SnapshotEntries)
		checkpoint.Number(k, &g.MaxEntryBytes)
		k.Uint(&g.MaxTailBytes)
		k.Uint(&g.Limits.UncommittedBytes)
		k.Uint(&g.Limits.InflightBytes)
		k.Uint(&g.Limits.CommittedBytes)
		k.Uint(&g.Limits.MarkBytes)
		k.Uint(&g.Limits.RequestWindow)
		checkpoint.Number(k, &g.Newest)
		if g.Newest >= FailoverVersion {
			k.Uint(&g.Failover.Boot)
			k.Uint(&g.Failover.SealMillis)
		}
	}
	code(&g)
	if g != c.cfg {
		k.Fail("it was made under another configuration: %+v, not %+v", g, c.cfg)
	}
}

func (t *tail) state(k *checkpoint.Codec) {
	checkpoint.Message(k, &t.hard)
	checkpoint.Messages(k, &t.marks)
	k.Uint(&t.dropped)
	entries := t.entries
	k.Entries(&entries)
	if k.Writing() || k.Err() != nil {
		return
	}
	if len(t.marks) == 0 {
		k.Fail("a log without a snapshot before it")
		return
	}
	t.append(entries)
}

func (h *HardState) state(k *checkpoint.Codec) {
	k.Uint(&h.Term)
	k.Uint(&h.Vote)
	k.Uint(&h.Commit)
}

func (m *machine) state(k *checkpoint.Codec) {
	k.Uint(&m.index)
	k.Uint(&m.term)
	checkpoint.Message(k, &m.conf)
	k.Array(&m.members.ClusterUUID)
	checkpoint.Number(k, &m.members.LastIncarnation)
	checkpoint.Number(k, &m.members.Version)
	checkpoint.Messages(k, &m.members.List)
	m.requestIDs.state(k)
	if m.members.Version >= FailoverVersion {
		m.failoverState(k)
	}
}

func (p *place) state(k *checkpoint.Codec) {
	k.Uint(&p.index)
	k.Uint(&p.term)
}

func (p *promise) state(k *checkpoint.Codec) {
	for _, f := range []*uint64{&p.to, &p.until, &p.bootUntil, &p.durableMillis, &p.pendingMillis, &p.pendingSeq} {
		k.Uint(f)
	}
}

func (p *peer) state(k *checkpoint.Codec) {
	k.Flag(&p.heard)
	k.Uint(&p.lastHeard)
	k.Uint(&p.round)
	checkpoint.Message(k, &p.contact)
	k.Uint(&p.contactAt)
	k.Flag(&p.full)
	k.Flag(&p.takesNone)
	k.Flag(&p.leaves)
	checkpoint.Number(k, &p.alarm)
	checkpoint.Number(k, &p.newest)
	k.Flag(&p.closed)
	k.Uint(&p.closedAt)
}

func (s *storage) state(k *checkpoint.Codec) {
	k.Uint(&s.seq)
	checkpoint.List(k, &s.batches, func(b *batch) {
		k.Uint(&b.seq)
		checkpoint.Messages(k, &b.responses)
		k.Uint(&b.mark)
		k.Flag(&b.installs)
		k.Uint(&b.filled)
	})
	checkpoint.List(k, &s.applies, func(a *pendingApply) {
		k.Uint(&a.index)
		checkpoint.Messages(k, &a.responses)
	})
	k.Uint(&s.libApplied)
	k.Uint(&s.marked)
	k.Uint(&s.durableMark)
	s.due.state(k)
	k.Uint(&s.readable)
}

func (ps *proposals) state(k *checkpoint.Codec) {
	checkpoint.List(k, &ps.order, func(p **proposal) {
		checkpoint.Pointer(k, p, func(p *proposal) {
			checkpoint.List(k, &p.ids, k.Uint)
			k.Array(&p.requestID)
			checkpoint.Message(k, &p.command)
			k.Flag(&p.sent)
			k.Uint(&p.sentAt)
			p.at.state(k)
		})
	})
	checkpoint.Number(k, &ps.bytes)
	k.Flag(&ps.reroute)
	compare := func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }
	checkpoint.Map(k, &ps.appended, compare, k.Array, func(p *place) { p.state(k) })
	if !k.Writing() {
		ps.open = map[[16]byte]*proposal{}
		for _, p := range ps.order {
			ps.open[p.requestID] = p
		}
	}
}

func (cs *changes) state(k *checkpoint.Codec) {
	checkpoint.List(k, &cs.waiting, func(p **change) {
		checkpoint.Pointer(k, p, func(ch *change) {
			checkpoint.List(k, &ch.ids, k.Uint)
			checkpoint.Message(k, &ch.add)
			checkpoint.Number(k, &ch.newest)
			k.Uint(&ch.raftID)
			k.Flag(&ch.started)
			ch.wait.state(k)
			k.Flag(&ch.handed)
		})
	})
	checkpoint.ByID(k, &cs.promotions, func(w *roundWait) { w.state(k) })
	k.Uint(&cs.confIndex)
	k.Flag(&cs.proposed)
}

func (t *transfer) state(k *checkpoint.Codec) {
	k.Uint(&t.target)
	checkpoint.List(k, &t.ids, k.Uint)
	k.Flag(&t.named)
	k.Flag(&t.leaving)
	checkpoint.List(k, &t.leavingIDs, k.Uint)
	k.Uint(&t.askedAt)
	k.Flag(&t.wish.open)
	k.Uint(&t.wish.id)
	k.Uint(&t.wish.target)
	t.wish.wait.state(k)
}

func (w *roundWait) state(k *checkpoint.Codec) {
	k.Uint(&w.round)
	k.Uint(&w.opened)
}

func (r *reads) state(k *checkpoint.Codec) {
	k.Uint(&r.life)
	checkpoint.List(k, &r.open, func(p **read) {
		checkpoint.Pointer(k, p, func(x *read) {
			k.Uint(&x.id)
			checkpoint.Number(k, &x.kind)
			k.Uint(&x.round)
			k.Uint(&x.index)
		})
	})
	k.Uint(&r.round)
	k.Flag(&r.asking)
	k.Uint(&r.askedAt)
	k.Uint(&r.question)
	k.Flag(&r.confirming)
	k.Uint(&r.confirmAt)
	for _, l := range []*[]asker{&r.askers, &r.next} {
		checkpoint.List(k, l, func(a *asker) {
			k.Uint(&a.node)
			k.Uint(&a.life)
			k.Uint(&a.round)
		})
	}
	k.Uint(&r.positions)
}
