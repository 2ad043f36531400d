package main

// #include "engine.h"
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

const (
	// slotsMove is how often slots are moved on that no member holds.
	slotsMove = 5 * time.Second
	// slotsAgain is when slots that could not be made are made again.
	slotsAgain = time.Second
)

// slots are the replication slots of the other members, on this server.
type slots struct {
	mu    sync.Mutex // held while they are made
	asked []uint64   // members that are to take part
}

// slotKept is a member's slot, and up to where it has all WAL; 0: not known.
type slotKept struct {
	member, has uint64
}

// keepSlots keeps a replication slot for each other member that takes part, on this server. One
// that begins to wants to stream at once.
func (e *engine) keepSlots() {
	n, err := e.wait(e.ended)
	if err != nil {
		return
	}
	failing := ""
	for t := time.NewTimer(0); ; {
		select {
		case <-e.ended.Done():
			t.Stop()
			return
		case <-n.PartChanged():
		case <-t.C:
		}
		again := slotsMove
		_, err := e.server.makeSlots(n, nil)
		if errors.Is(err, errNoMember) {
			failing = "" // or not yet: PartChanged tells
		} else if err != nil {
			again = slotsAgain
			if failing != err.Error() {
				e.logger.Warn(fmt.Sprintf("the replication slots of the other members: %v", err))
			}
			failing = err.Error()
		} else {
			failing = ""
		}
		t.Reset(again)
	}
}

var errNoMember = errors.New("there is no member here")

// Keep makes slots for members that are to take part.
func (s *server) Keep(members []uint64) (from uint64, err error) {
	n, err := s.e.wait(s.e.ended)
	if err != nil {
		return 0, err
	}
	return s.makeSlots(n, &members)
}

// makeSlots sees to it that there are those slots that there are to be, and returns from which LSN
// on they keep WAL. asked, if not nil, are those who are to take part from now on.
func (s *server) makeSlots(n *node.Node, asked *[]uint64) (from uint64, err error) {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	if asked != nil {
		s.slots.asked = *asked
	}
	f, err := n.Failover(s.e.ended)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoMember, err)
	}
	return s.keepSlots(slotsOf(&f, s.slots.asked))
}

// slotsOf are the slots of a server: those of the other members that take part, or are asked to.
// While failover is being enabled they stay where they are: from there on the primary's WAL is to
// be compared with theirs. Once it has been disabled the server that takes writes still has those
// of its standbys, whose settings name them.
func slotsOf(f *node.Failover, asked []uint64) (l []slotKept) {
	stay := len(asked) > 0 || f.State.Mode == failover.ModeFounding
	ids := slices.Clone(asked)
	released := f.State.Mode == failover.ModeOff && f.Server != nil && !f.Server.Recovery
	for _, m := range f.State.Members {
		if m.Data && (m.Joined || released) && m.ID != f.RaftID && !slices.Contains(ids, m.ID) {
			ids = append(ids, m.ID)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		x := slotKept{member: id}
		for _, s := range f.Said {
			if t := &s.Told; s.Member == id && t.Server && !t.Untrusted && t.Timeline == timelineOf(f.Server) && !stay {
				x.has = t.End
			}
		}
		l = append(l, x)
	}
	return l
}

// timelineOf is the last timeline of which a server has WAL; 0: not known. A member that is on
// another one may have to rewind: its slot stays where it is.
func timelineOf(s *failover.Server) uint32 {
	if s == nil || len(s.History) == 0 {
		return 0
	}
	return s.History[len(s.History)-1].Timeline
}

func (s *server) keepSlots(l []slotKept) (from uint64, err error) {
	var b []byte
	for _, x := range l {
		c := C.PgraftSlotKept{has: C.uint64_t(x.has)}
		putName(&c.name, x.member)
		b = append(b, bytesOf(&c)...)
	}
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_KEEP_SLOTS}, b)
	return a.record.LSN, err
}

// putName is slotName, for C.
func putName(to *[C.PGRAFT_SLOT_NAME_BYTES]C.char, member uint64) {
	for i, c := range []byte(slotName(member)) {
		to[i] = C.char(c)
	}
}
