package failover

import "github.com/pgraft/pgraft/core/checkpoint"

// State is the walk through all fields of a machine, in both directions. The
// replicated state is not among them: core keeps that.
func (m *Machine) State(k *checkpoint.Codec) {
	k.Uint(&m.cfg.Self)
	k.Uint(&m.cfg.TickMillis)
	k.Uint(&m.cfg.ElectionTicks)
	k.Uint(&m.cfg.SealMillis)
	k.Uint(&m.boot)
	k.Flag(&m.has)
	m.server.state(k)
	k.Uint(&m.moved)
	checkpoint.List(k, &m.peers, func(p *peer) {
		k.Uint(&p.id)
		k.Uint(&p.at)
		k.Uint(&p.moved)
		p.told.state(k)
	})
	checkpoint.List(k, &m.heard, func(h *heard) {
		k.Uint(&h.member)
		k.Uint(&h.at)
	})
	k.Uint(&m.start)
	k.Uint(&m.term)
	k.Uint(&m.leader)
	k.Uint(&m.elected)
	k.Flag(&m.leads)
	k.Uint(&m.ledSince)
	k.Uint(&m.leased)
	m.reign.state(k)
	checkpoint.List(k, &m.sent, func(x *sent) {
		checkpoint.Number(k, &x.kind)
		k.Uint(&x.epoch)
		k.Uint(&x.term)
		k.Uint(&x.again)
	})
	k.Uint(&m.port.Member)
	k.Uint(&m.port.Epoch)
	k.Flag(&m.port.Answers)
	k.Flag(&m.port.Refuses)
	k.Flag(&m.port.Reset)
	k.Flag(&m.answered)
	k.Uint(&m.resetAt)
	checkpoint.List(k, &m.announced, func(t *Token) { t.state(k) })
	checkpoint.List(k, &m.compares, func(c *compare) {
		k.Uint(&c.member)
		k.Uint(&c.boot)
		k.Flag(&c.known)
		k.Flag(&c.have)
		k.Flag(&c.equal)
	})
	checkpoint.List(k, &m.lags, func(l *lag) {
		k.Uint(&l.member)
		k.Uint(&l.mark)
		k.Uint(&l.at)
		k.Flag(&l.keeps)
	})
	m.change.state(k)
	k.Uint(&m.decisions)
	m.named.state(k)
	k.Uint(&m.logged)
	k.Uint(&m.since)
	k.Uint(&m.limited)
	k.Flag(&m.wants)
	k.Flag(&m.wishing)
	m.want.state(k)
	checkpoint.Number(k, &m.joins)
	k.Flag(&m.news)
}

func (c *change) state(k *checkpoint.Codec) {
	k.Uint(&c.number)
	k.Uint(&c.version)
	c.set.state(k)
	k.Flag(&c.known)
	k.Uint(&c.need)
	k.Flag(&c.proposed)
}

func (s *Set) state(k *checkpoint.Codec) {
	checkpoint.Number(k, &s.W)
	checkpoint.List(k, &s.Members, k.Uint)
}

func (r *reign) state(k *checkpoint.Codec) {
	k.Uint(&r.epoch)
	checkpoint.Number(k, &r.stage)
	for _, v := range []*uint64{&r.since, &r.good, &r.setSeen, &r.metAt, &r.gaveAt, &r.handedAt, &r.led, &r.proof, &r.asked, &r.askedAt, &r.switchedAt, &r.mark, &r.founded} {
		k.Uint(v)
	}
	k.Flag(&r.met)
	k.Flag(&r.gave)
	k.Flag(&r.handed)
}

func (t *Token) state(k *checkpoint.Codec) {
	k.Uint(&t.Epoch)
	k.Uint(&t.Boot)
	k.Uint(&t.Member)
	k.Uint(&t.Follow)
}

func (r *Record) state(k *checkpoint.Codec) {
	k.Uint(&r.LSN)
	checkpoint.Number(k, &r.CRC)
	k.Uint(&r.From)
	checkpoint.Number(k, &r.Sum)
}

func branches(k *checkpoint.Codec, h *[]Branch) {
	checkpoint.List(k, h, func(b *Branch) {
		checkpoint.Number(k, &b.Timeline)
		k.Uint(&b.Begin)
	})
}

func (n *Names) state(k *checkpoint.Codec) {
	k.Uint(&n.Epoch)
	k.Uint(&n.Boot)
	checkpoint.Number(k, &n.W)
	checkpoint.List(k, &n.Members, k.Uint)
	checkpoint.List(k, &n.Tokens, func(t *Token) { t.state(k) })
	k.Uint(&n.Number)
}

func (v *Server) state(k *checkpoint.Codec) {
	for _, f := range []*bool{&v.Recovery, &v.Stopping, &v.Joined, &v.Untrusted, &v.ReplayDone, &v.Streaming, &v.Lacks, &v.OnlyClone, &v.Ended, &v.OneNote, &v.Wrote} {
		k.Flag(f)
	}
	checkpoint.Number(k, &v.Damage)
	address := []byte(v.Address)
	k.Blob(&address)
	v.Address = string(address)
	checkpoint.Number(k, &v.Priority)
	branches(k, &v.History)
	for _, p := range []*uint64{&v.Sealed, &v.End, &v.Noted, &v.Replayed, &v.Flushed, &v.Fork, &v.Quiet, &v.Checkpoint, &v.Founded, &v.Boots} {
		k.Uint(p)
	}
	checkpoint.Number(k, &v.JoinedOn)
	v.Record.state(k)
	v.Follows.state(k)
	v.Names.state(k)
	checkpoint.List(k, &v.Senders, func(x *Sender) {
		x.Token.state(k)
		k.Uint(&x.Flushed)
	})
	k.Uint(&v.Decision)
}

func (t *Told) state(k *checkpoint.Codec) {
	k.Uint(&t.Boot)
	k.Uint(&t.Applied)
	for _, f := range []*bool{&t.Server, &t.Untrusted, &t.Recovery, &t.Stopping, &t.ReplayDone, &t.Leaves, &t.Joins} {
		k.Flag(f)
	}
	checkpoint.Number(k, &t.Timeline)
	k.Uint(&t.Sealed)
	k.Uint(&t.Replayed)
	k.Uint(&t.End)
	k.Uint(&t.Flushed)
	k.Uint(&t.Checkpoint)
	k.Uint(&t.Boots)
	k.Uint(&t.Led)
	there := t.Claim != nil
	if k.Flag(&there); there {
		if t.Claim == nil {
			t.Claim = &Claim{}
		}
		c := t.Claim
		k.Uint(&c.Epoch)
		k.Uint(&c.Noted)
		branches(k, &c.History)
		k.Uint(&c.End)
		c.Record.state(k)
	}
	checkpoint.List(k, &t.Announced, func(t *Token) { t.state(k) })
	checkpoint.List(k, &t.Denied, func(t *Token) { t.state(k) })
	checkpoint.List(k, &t.Unproven, func(t *Token) { t.state(k) })
	checkpoint.List(k, &t.Heard, func(h *Heard) {
		k.Uint(&h.Member)
		k.Uint(&h.Millis)
	})
	k.Uint(&t.Ended)
}
