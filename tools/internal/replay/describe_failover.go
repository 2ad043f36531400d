package replay

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

func failoverInput(in core.Input) string {
	text := FailoverInputText(in)
	switch in := in.(type) {
	case core.FailoverServer:
		return "FailoverServer: " + text
	case core.FailoverPort:
		return "FailoverPort " + text
	case core.FailoverCompared:
		return "FailoverCompared " + text
	case core.FailoverJoin:
		return "FailoverJoin: " + text
	case core.ProposeFailover:
		return fmt.Sprintf("ProposeFailover %d: %s", in.ID, text)
	}
	panic(fmt.Sprintf("an input of type %T", in))
}

// FailoverInputText is what an input of failover says beside its name; "" if in is none.
func FailoverInputText(in core.Input) string {
	switch in := in.(type) {
	case core.FailoverServer:
		return ServerText(&in.Server)
	case core.FailoverPort:
		return fmt.Sprintf("of %s in epoch %d: answers %v, refuses %v, reset %v", node(in.Port.Member), in.Port.Epoch,
			in.Port.Answers, in.Port.Refuses, in.Port.Reset)
	case core.FailoverCompared:
		return fmt.Sprintf("of %s, boot %d: have %v, equal %v", node(in.Compared.Member), in.Compared.Boot,
			in.Compared.Have, in.Compared.Equal)
	case core.FailoverJoin:
		return in.Joining.String()
	case core.ProposeFailover:
		return EntryText(in.Entry)
	}
	return ""
}

// FailoverMessage is the kind of a message of failover and what is in it; false if env
// is none.
func FailoverMessage(env *corepb.Envelope) (kind, text string, ok bool) {
	switch env.GetBody().(type) {
	case *corepb.Envelope_FailoverEntry:
		e, err := failover.Unmarshal(env.GetFailoverEntry())
		if err != nil {
			return "FailoverEntry", err.Error(), true
		}
		return "FailoverEntry", EntryText(e), true
	case *corepb.Envelope_FailoverTold:
		return "FailoverTold", toldText(failover.ToldFrom(env.GetFailoverTold())), true
	}
	return "", "", false
}

func toldText(t failover.Told) string {
	s := fmt.Sprintf("boot %d, applied %d", t.Boot, t.Applied)
	if t.Server {
		is := "takes writes"
		if t.Recovery {
			is = "in recovery"
		}
		s += fmt.Sprintf(", %s on timeline %d, sealed up to epoch %d, replayed to %s", is, t.Timeline, t.Sealed, failover.LSNText(t.Replayed))
		if t.ReplayDone {
			s += ", all of it"
		}
	}
	if t.Stopping {
		s += ", told to stop"
	}
	if t.Untrusted {
		s += ", its data is older than it was"
	}
	if t.Joins {
		s += ", asks all servers to join"
	}
	if t.Leaves {
		s += ", is to be in no sync set"
	}
	if c := t.Claim; c != nil {
		s += fmt.Sprintf(", asks to follow in epoch %d from %s on %s", c.Epoch, failover.LSNText(c.End), failover.NewestText(c.History))
	}
	if len(t.Announced) > 0 {
		s += ", announces " + failover.FollowersText(t.Announced)
	}
	if len(t.Denied) > 0 {
		s += ", denies " + failover.FollowersText(t.Denied)
	}
	if len(t.Unproven) > 0 {
		s += ", cannot compare the WAL of " + failover.FollowersText(t.Unproven)
	}
	return s
}

// FailedOver is what package failover decided, a clause for each part; out may be nil.
func FailedOver(out *core.FailoverOutput) []string { return FailoverChanges(nil, out) }

// FailoverChanges is what a decision says other than the one before, which may be nil.
// For how much longer something takes is no change.
func FailoverChanges(was, is *core.FailoverOutput) (l []string) {
	if is == nil {
		return nil
	}
	add := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	first := was == nil
	if first {
		was = &core.FailoverOutput{}
	}
	if text := fence(is.Shared); first || text != fence(was.Shared) {
		add("fence   %s", text)
	}
	before, after := orders(was.Orders), orders(is.Orders)
	for _, o := range after {
		if !slices.Contains(before, o) {
			add("order   %s", o)
		}
	}
	for _, o := range before {
		if !slices.Contains(after, o) {
			add("order is over: %s", o)
		}
	}
	for _, x := range []struct {
		was, is       failover.Why
		begins, ended string
	}{{was.Why, is.Why, "the server waits: ", "the server waits no more"}, {was.Nobody, is.Nobody, "no other primary: ", "the cluster waits no more"}} {
		switch {
		case x.was.Reason == x.is.Reason && slices.Equal(x.was.Members, x.is.Members):
		case x.is.Reason == failover.Nothing:
			add("%s", x.ended)
		default:
			add("%s", x.begins+why(x.is))
		}
	}
	return l
}

func orders(os []failover.Order) (l []string) {
	for _, o := range os {
		l = append(l, failover.OrderText(o))
	}
	return l
}

// DecidedParts is a decision, as FailedOver, for tables; out may be nil.
func DecidedParts(out *core.FailoverOutput) (l []Part) {
	if out == nil {
		return nil
	}
	l = append(l, Part{"fence", fence(out.Shared)})
	for _, o := range orders(out.Orders) {
		l = append(l, Part{"order", o})
	}
	if out.Why.Reason != failover.Nothing {
		l = append(l, Part{"the server waits", why(out.Why)})
	}
	if out.Nobody.Reason != failover.Nothing {
		l = append(l, Part{"no other primary", why(out.Nobody)})
	}
	return l
}
