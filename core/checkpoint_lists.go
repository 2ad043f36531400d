package core

import (
	"cmp"
	"slices"

	"github.com/pgraft/pgraft/core/checkpoint"
)

// Lists in a checkpoint that lie otherwise in memory. Those in no particular order it has
// ordered by number: two cores of the same state have the same checkpoint.

func (ps *peers) state(k *checkpoint.Codec) {
	l := append(peers{}, *ps...)
	slices.SortFunc(l, func(a, b *peer) int { return cmp.Compare(a.id, b.id) })
	checkpoint.List(k, (*[]*peer)(&l), func(p **peer) {
		id := uint64(0)
		if k.Writing() {
			id = (*p).id
		}
		k.Uint(&id)
		if checkpoint.Pointer(k, p, func(p *peer) { p.state(k) }); *p == nil {
			k.Fail("nothing is known of the peer %x", id)
			*p = &peer{}
		}
		(*p).id = id
	})
	if !k.Writing() {
		*ps = l
	}
}

func (r *requestIDs) state(k *checkpoint.Codec) {
	var ids []committedID
	if r.next > 0 {
		ids = r.list()
	}
	checkpoint.List(k, &ids, func(x *committedID) {
		k.Array(&x.id)
		x.at.state(k)
	})
	if !k.Writing() {
		*r = r.none()
		for _, x := range ids {
			r.add(x.id, x.at)
		}
	}
}

func (l *lease) state(k *checkpoint.Codec) {
	k.Uint(&l.round)
	l.stateRounds(k)
	stateAnswers(k, l, func(x *roundAnswers) *grant { return &x.granted }, func(g *grant) {
		k.Uint(&g.opened)
		k.Uint(&g.ticks)
	})
	stateAnswers(k, l, func(x *roundAnswers) *uint64 { return &x.answered }, k.Uint)
	stateAnswers(k, l, func(x *roundAnswers) *announcement { return &x.said }, func(a *announcement) {
		k.Uint(&a.round)
		k.Uint(&a.opened)
		checkpoint.Number(k, &a.version)
	})
	k.Uint(&l.from)
	k.Uint(&l.ticks)
	k.Uint(&l.forfeit)
}

// stateRounds codes the open rounds; no list says that this node does not lead.
func (l *lease) stateRounds(k *checkpoint.Codec) {
	var open []openRound
	if l.answers != nil {
		open = []openRound{}
	}
	for _, r := range l.rounds {
		if r.round > 0 {
			open = append(open, r)
		}
	}
	slices.SortFunc(open, func(a, b openRound) int { return cmp.Compare(a.round, b.round) })
	checkpoint.List(k, &open, func(r *openRound) {
		k.Uint(&r.round)
		k.Uint(&r.opened)
	})
	if k.Writing() {
		return
	}
	if open != nil {
		l.answers = []roundAnswers{}
	}
	for _, r := range open {
		l.rounds[r.round%maxOpenRounds] = r
	}
}

// stateAnswers codes what part gives of each member's answers, but for what is zero.
func stateAnswers[T comparable](k *checkpoint.Codec, l *lease, part func(*roundAnswers) *T, f func(*T)) {
	type partOf struct {
		id   uint64
		part T
	}
	var parts []partOf
	if l.answers != nil {
		parts = []partOf{}
	}
	var zero T
	for i := range l.answers {
		if x := &l.answers[i]; *part(x) != zero {
			parts = append(parts, partOf{x.from, *part(x)})
		}
	}
	slices.SortFunc(parts, func(a, b partOf) int { return cmp.Compare(a.id, b.id) })
	checkpoint.List(k, &parts, func(x *partOf) {
		k.Uint(&x.id)
		f(&x.part)
	})
	if !k.Writing() {
		for _, x := range parts {
			*part(l.answersOf(x.id)) = x.part
		}
	}
}
