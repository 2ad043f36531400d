package node

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
	"github.com/pgraft/pgraft/node/store"
)

// slow is a log store whose reads take that long.
type slow struct {
	store.Store
	takes time.Duration
	began []time.Time
}

func (s *slow) Bounds() store.Bounds { return store.Bounds{First: 2, Last: 100} }

func (s *slow) Entries(first, _, _ uint64) ([]core.Entry, error) {
	s.began = append(s.began, time.Now())
	time.Sleep(s.takes)
	return []core.Entry{{Index: first}}, nil
}

// Members that ask for one chunk of the log after the other get them a quarter of the
// time at most, and one that takes its time as soon as it asks.
func TestChunksArePaced(t *testing.T) {
	for _, c := range []struct {
		takes, between time.Duration // to read a chunk, and until the next question
		want           []time.Duration
	}{
		{takes: 5 * time.Millisecond, want: []time.Duration{0, 20e6, 40e6, 60e6}},
		{takes: 2 * time.Millisecond, between: time.Millisecond, want: []time.Duration{0, 12e6, 24e6, 36e6}},
		{takes: 15 * time.Millisecond, want: []time.Duration{0, 40e6, 80e6, 120e6}},
		{takes: 5 * time.Millisecond, between: 95 * time.Millisecond, want: []time.Duration{0, 100e6, 200e6, 300e6}},
	} {
		t.Run(fmt.Sprintf("%v and %v", c.takes, c.between), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{takes: c.takes}
				// Its goroutines run at once, and the core never gets what they read.
				r := &runner{store: s, in: newInbox(), kept: kept{given: pace{}}, n: &Node{ended: make(chan struct{}), cfg: Config{Go: func(f func()) { f() }}}}
				r.in.owned = true
				began := time.Now()
				for i := range c.want {
					r.ReadHistory(retain.Read{Ticket: uint64(i), For: 7, After: 5, Last: 9, MaxBytes: 1})
					time.Sleep(c.between)
				}
				var got []time.Duration
				for _, at := range s.began {
					got = append(got, at.Sub(began))
				}
				if !slices.Equal(got, c.want) || len(r.in.items) != len(c.want) {
					t.Errorf("chunks were begun at %v, want %v; %d were read", got, c.want, len(r.in.items))
				}
			})
		})
	}
}

// A node that is closed leaves what rests.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Millisecond}
		r := &runner{store: s, in: newInbox(), kept: kept{given: pace{7: time.Now()}}, n: &Node{ended: make(chan struct{}), cfg: Config{Go: func(f func()) { f() }}}}
		time.Sleep(5 * time.Millisecond)
		close(r.n.ended)
		if r.ReadHistory(retain.Read{For: 7, After: 5, Last: 9, MaxBytes: 1}); len(s.began) > 0 {
			t.Error("it was read after the node's end")
		}
	})
}

// Two members wait for their own chunks only; of one that asks no more nothing is kept.
func TestPaceOfSeveral(t *testing.T) {
	p, now := pace{}, time.Unix(1000, 0)
	for i, c := range []struct {
		asker uint64
		after time.Duration // since the question before
		want  time.Duration
	}{
		{1, 0, 0}, {2, time.Millisecond, 0}, {1, time.Millisecond, 6 * time.Millisecond}, {2, 9 * time.Millisecond, 30 * time.Millisecond},
		{2, 0, 30 * time.Millisecond}, {2, 10 * time.Millisecond, 20 * time.Millisecond},
		{1, time.Second, 0}, {3, 0, 0},
	} {
		now = now.Add(c.after)
		if got := p.rest(c.asker, now); got != c.want {
			t.Errorf("%d: member %d waits for %v, want %v", i, c.asker, got, c.want)
		}
	}
	if len(p) != 2 {
		t.Errorf("%v are remembered", p)
	}
}
