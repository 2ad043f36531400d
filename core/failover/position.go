package failover

import (
	"cmp"
	"slices"
)

// Position is how far a server's WAL reaches. WAL of a timeline is an epoch's only
// where that was noted in the data directory before its first byte arrived.
type Position struct {
	Epoch uint64 // whose timeline the last WAL is on
	LSN   uint64
}

// Compare orders positions: a later epoch is greater, whatever the LSN, as it began
// behind everything that the ones before it can have acknowledged.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, o.Epoch), cmp.Compare(p.LSN, o.LSN))
}

// Fork is a timeline: where it branched off, and whose it is.
type Fork struct {
	Timeline uint32
	Parent   uint32 // timeline; 0: it is the first
	Switch   uint64 // LSN at which it branched off; 0 for the first
	Epoch    uint64 // 0: it is from before failover
	Override bool   // it was granted by an override
	// Short says that it may lack commits that the last open epoch acknowledged: with async, or
	// as the entry that opened it may be lost.
	Short bool
}

// Branch is a timeline in a server's history: its number, and the LSN where it began.
type Branch struct {
	Timeline uint32
	Begin    uint64
}

// fork returns the fork with a timeline's number, nil if it is not kept.
func (s *State) fork(timeline uint32) *Fork {
	for i := range s.Forks {
		if s.Forks[i].Timeline == timeline {
			return &s.Forks[i]
		}
	}
	return nil
}

// forkOf returns the fork of an epoch, nil if it was granted to nobody or is not kept.
func (s *State) forkOf(epoch uint64) *Fork {
	for i := range s.Forks {
		if s.Forks[i].Epoch == epoch && epoch > 0 {
			return &s.Forks[i]
		}
	}
	return nil
}

// History is a timeline's history as PostgreSQL writes it into its file, with the
// timeline itself as the last element; nil if the timeline is not kept.
func (s *State) History(timeline uint32) []Branch {
	var h []Branch
	for f := s.fork(timeline); f != nil; f = s.fork(f.Parent) {
		h = append(h, Branch{f.Timeline, f.Switch})
	}
	slices.Reverse(h)
	return h
}

// notes are the timelines of a history, as whose WAL they are.
func (s *State) notes(timeline uint32) []Note {
	var l []Note
	for f := s.fork(timeline); f != nil && f.Epoch > 0; f = s.fork(f.Parent) {
		l = append(l, Note{f.Timeline, f.Epoch})
	}
	slices.Reverse(l)
	return l
}

// Owner is the timeline that owns the byte at an LSN in a history, 0 if it begins
// behind it. WAL is read from the file of that timeline, and of no other.
func Owner(h []Branch, lsn uint64) uint32 {
	t := uint32(0)
	for _, b := range h {
		if b.Begin > lsn {
			break
		}
		t = b.Timeline
	}
	return t
}

// Ends is where a history ends a timeline; ok is false if the history does not have
// it. The last timeline has no end: it is the greatest LSN.
func Ends(h []Branch, timeline uint32) (lsn uint64, ok bool) {
	for i, b := range h {
		if b.Timeline != timeline {
			continue
		}
		if i+1 < len(h) {
			return h[i+1].Begin, true
		}
		return ^uint64(0), true
	}
	return 0, false
}

// within says that history h is a part of the history of from its beginning: the same
// branches in the same order, less those behind h's last.
func within(h, of []Branch) bool {
	if len(h) == 0 || len(h) > len(of) {
		return false
	}
	for i, b := range h {
		if of[i] != b {
			return false
		}
	}
	return true
}

// Relation is how a server's WAL lies to a history.
type Relation uint8

const (
	Prefix    Relation = iota // it can follow
	Diverged                  // it has WAL that the history does not have: it must rejoin
	Unrelated                 // the history does not know where it comes from
)

// Relate compares a server's WAL, whose history is own and which ends at end, with a
// history: it is a prefix if its own history is a part of it and its end is not past
// where the history leaves its last timeline. Timelines from before the history, of
// which the log keeps no more, are not compared.
func Relate(own []Branch, end uint64, h []Branch) Relation {
	if len(h) == 0 {
		return Unrelated
	}
	i := slices.Index(own, h[0])
	if i < 0 {
		return Unrelated
	}
	own = own[i:]
	if limit, _ := Ends(h, own[len(own)-1].Timeline); within(own, h) && end <= limit {
		return Prefix
	}
	return Diverged
}
