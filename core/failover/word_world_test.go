package failover

import (
	"fmt"
	"strings"
)

// An operator's word in the explorer's world and in scripts.

// givenUp is what an override's grant has given up: what is acknowledged in epochs before
// and not in the grantee's WAL.
type givenUp struct {
	epoch uint64
	wal   map[record]bool
}

// gives notes what an entry gives up, as it is applied first.
func (x *world) gives(e Entry, got Applied, s *State) {
	g, ok := e.(Grant)
	if !ok || got.Void != NotVoid || s.Past[len(s.Past)-1].Loss.None() {
		return
	}
	u := givenUp{g.Epoch, map[record]bool{}}
	for _, r := range x.host(g.Primary).wal {
		u.wal[r] = true
	}
	x.given = append(x.given, u)
}

// isGivenUp says that the log has it that a commit of an epoch is given up for another one
// or one before that.
func (x *world) isGivenUp(r record, in, epoch uint64) bool {
	for _, u := range x.given {
		if in < u.epoch && u.epoch <= epoch && !u.wal[r] {
			return true
		}
	}
	return false
}

// overrides is an operator who gives up what a member thinks that is lost.
func (x *world) overrides(h *host) {
	if len(h.s.Reports) == 0 {
		return
	}
	to := h.s.Reports[x.pick(len(h.s.Reports))].Member
	x.bag = append(x.bag, asked{Override{h.s.Epoch.Number, to, h.s.Loss(to, x.voters)}, h})
}

// word is what an operator says in a script; false: it is something else.
func (s *story) word(h *host) bool {
	x := s.x
	if x.leader != nil {
		h = x.leader
	}
	epoch := h.s.Epoch.Number
	to := func(name string) uint64 { return uint64(s.number(name, 0)) }
	var e Entry
	switch {
	case s.d.HasArg("switchover"):
		e = Request{epoch, to("switchover"), WaySwitchover, uint64(s.number("millis", 30))}
	case s.d.HasArg("failover"):
		e = Request{epoch, to("failover"), WayFailover, 0}
	case s.d.HasArg("give-up"): // so that it can be overridden what is missing
		e = Request{epoch, to("give-up"), WayOverride, 0}
	case s.d.HasArg("override"):
		o := Override{epoch, to("override"), h.s.Loss(to("override"), x.voters)}
		if s.d.HasArg("names-nothing") {
			o.Loss = Loss{}
		}
		e = o
	case s.d.HasArg("disable"):
		e = Disable{epoch}
	case s.d.HasArg("enable"): // all that it takes
		for n := 0; h.s.Mode == ModeOff && n < 20; n++ {
			s.must(x.round())
			x.enables(h)
		}
		return true
	case s.d.HasArg("abort"):
		e = Abort{epoch, 0, h.s.Epoch.Ask.Index}
	default:
		return false
	}
	x.bag = append(x.bag, asked{e, nil})
	return true
}

func wordText(e Entry) string {
	switch e := e.(type) {
	case Request:
		return fmt.Sprintf("an operator wants %d to be primary after epoch %d%s", uint32(e.Target), e.Epoch,
			map[Way]string{WayOverride: ", whatever is missing", WaySwitchover: ", by a switchover"}[e.Way])
	case Switchover:
		return fmt.Sprintf("epoch %d switches over", e.Epoch)
	case Abort:
		return fmt.Sprintf("what was asked for of epoch %d is given up", e.Epoch)
	case Override:
		return fmt.Sprintf("an operator overrides for %d in epoch %d", uint32(e.Target), e.Epoch) + lossText(", giving up: ", e.Loss)
	}
	panic(fmt.Sprintf("an entry of type %T", e))
}

func lossText(before string, l Loss) string {
	if l.None() {
		return ""
	}
	var t []string
	for _, r := range l.Greater {
		t = append(t, fmt.Sprintf("%d at %d/%d", uint32(r.Member), r.Position.Epoch, r.Position.LSN))
	}
	for _, id := range l.Missing {
		t = append(t, fmt.Sprintf("what only %d has", uint32(id)))
	}
	return before + strings.Join(t, ", ")
}
