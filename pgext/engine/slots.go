package main

// #include "engine.h"
import "C"

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

const (
	// slotsLook is how often it is looked whether other members take part: one that does wants
	// to stream at once.
	slotsLook = 100 * time.Millisecond
	// slotsMove is how often slots are moved on that no member holds.
	slotsMove = 5 * time.Second
)

// slotKept is a member's slot, and up to where it has all WAL; 0: not known.
type slotKept struct {
	member, has uint64
}

// keepSlots keeps a replication slot for each other member that takes part, on this server.
func (e *engine) keepSlots() {
	n, err := e.wait(e.ended)
	if err != nil {
		return
	}
	var kept []slotKept
	var moved time.Time
	failing := ""
	for t := time.NewTicker(slotsLook); ; {
		select {
		case <-e.ended.Done():
			t.Stop()
			return
		case <-t.C:
		}
		f, err := n.Failover(e.ended)
		if err != nil {
			continue // there is no member here, or not yet
		}
		want := slotsOf(&f)
		same := slices.EqualFunc(want, kept, func(a, b slotKept) bool { return a.member == b.member })
		if same && (len(want) == 0 || time.Since(moved) < slotsMove) {
			continue
		}
		if err := e.server.keepSlots(want); err != nil {
			if failing != err.Error() {
				failing = err.Error()
				e.logger.Warn(fmt.Sprintf("the replication slots of the other members: %v", err))
			}
			continue
		}
		kept, moved, failing = want, time.Now(), ""
	}
}

// slotsOf are the slots of a server: those of the other members that take part.
func slotsOf(f *node.Failover) (l []slotKept) {
	for _, m := range f.State.Members {
		if m.ID == f.RaftID || !m.Data || !m.Joined {
			continue
		}
		x := slotKept{member: m.ID}
		for _, s := range f.Said {
			if t := &s.Told; s.Member == m.ID && t.Server && !t.Untrusted && t.Timeline == timelineOf(f.Server) {
				x.has = t.End
			}
		}
		l = append(l, x)
	}
	slices.SortFunc(l, func(a, b slotKept) int { return cmp.Compare(a.member, b.member) })
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

func (s *server) keepSlots(l []slotKept) error {
	var b []byte
	for _, x := range l {
		c := C.PgraftSlotKept{has: C.uint64_t(x.has)}
		putName(&c.name, x.member)
		b = append(b, bytesOf(&c)...)
	}
	return s.does(serveC{kind: C.PGRAFT_SERVE_KEEP_SLOTS}, b)
}

// putName is slotName, for C.
func putName(to *[C.PGRAFT_SLOT_NAME_BYTES]C.char, member uint64) {
	for i, c := range []byte(slotName(member)) {
		to[i] = C.char(c)
	}
}
