package retain

import "github.com/pgraft/pgraft/core/checkpoint"

// State is the walk through all fields, in both directions. Left out is only what
// Take would return: a checkpoint is taken between two steps of the core, which
// takes it at the end of each.
func (m *Machine) State(k *checkpoint.Codec) {
	k.Uint(&m.self)
	stopped := []byte(m.stopped)
	k.Blob(&stopped)
	m.stopped = string(stopped)
	checkpoint.List(k, &m.members, k.Uint)
	m.needs.state(k)
	k.Uint(&m.answers.ticket)
	checkpoint.List(k, &m.answers.open, func(x *answer) {
		k.Uint(&x.ticket)
		k.Uint(&x.to)
		k.Uint(&x.after)
		k.Flag(&x.stored)
		k.Uint(&x.question)
	})
	checkpoint.List(k, &m.fetches.open, func(x *fetch) {
		k.Uint(&x.id)
		k.Uint(&x.after)
		k.Uint(&x.last)
		k.Uint(&x.first)
		x.asker.state(k)
		checkpoint.List(k, &x.gaps, k.Uint)
		k.Uint(&x.before)
	})
	checkpoint.List(k, &m.asking.open, func(x *stateFetch) {
		k.Uint(&x.id)
		x.asker.state(k)
		k.Uint(&x.sent)
		k.Uint(&x.ticket)
		k.Uint(&x.total)
		k.Uint(&x.got)
	})
	m.giving.state(k)
	m.filling.state(k)
	k.Uint(&m.question)
}

func (n *needs) state(k *checkpoint.Codec) {
	k.Flag(&n.given)
	k.Uint(&n.own.From)
	k.Flag(&n.own.Importable)
	k.Uint(&n.life)
	k.Uint(&n.round)
	k.Uint(&n.toldAt)
	checkpoint.ByID(k, &n.said, func(lives *[]said) {
		checkpoint.List(k, lives, func(s *said) {
			k.Uint(&s.from)
			k.Uint(&s.life)
			k.Uint(&s.round)
			k.Uint(&s.heard)
		})
	})
	k.Uint(&n.retained)
	k.Flag(&n.ordered)
}

func (x *asker) state(k *checkpoint.Codec) {
	k.Uint(&x.asked)
	k.Uint(&x.question)
	k.Uint(&x.at)
	checkpoint.List(k, &x.tried, k.Uint)
	checkpoint.List(k, &x.silent, k.Uint)
}

func (g *giving) state(k *checkpoint.Codec) {
	k.Uint(&g.ticket)
	k.Flag(&g.exporting)
	k.Uint(&g.to)
	k.Uint(&g.kept)
	k.Uint(&g.size)
	k.Flag(&g.begun)
	k.Uint(&g.until)
}

func (f *filling) state(k *checkpoint.Codec) {
	checkpoint.List(k, &f.gaps, func(g *Gap) {
		k.Uint(&g.From)
		k.Uint(&g.To)
		k.Uint(&g.Low)
		k.Uint(&g.High)
		k.Uint(&g.again)
	})
	k.Flag(&f.open)
	f.asker.state(k)
	k.Flag(&f.may)
	for _, v := range []*uint64{&f.after, &f.first, &f.giver, &f.writing, &f.gone, &f.said} {
		k.Uint(v)
	}
}
