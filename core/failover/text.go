package failover

import (
	"fmt"
	"strings"
)

// Orders in words, and what they are made of. Members are named by node number, the low
// half of a Raft id.

func node(id uint64) string { return fmt.Sprintf("node %d", uint32(id)) }

// OrderText is an order as people read it: in replay, in the simulator's trace and in scripts.
func OrderText(o Order) string {
	switch o := o.(type) {
	case Seal:
		return fmt.Sprintf("seal up to epoch %d, boot %d", o.UpTo, o.Boot)
	case Demote:
		return fmt.Sprintf("demote in epoch %d, boot %d", o.Epoch, o.Boot)
	case SetNames:
		return fmt.Sprintf("put the names of epoch %d in force, boot %d: %s", o.Epoch, o.Boot, NamesText(o.Names))
	case Promote:
		return fmt.Sprintf("promote to %s at %s in epoch %d, boot %d", NewestText(o.History), LSNText(o.LSN), o.Epoch, o.Boot)
	case Follow:
		return fmt.Sprintf("follow %s on %s in epoch %d, boots %d and %d", node(o.Primary), NewestText(o.History), o.Token.Epoch, o.Token.Boot, o.Token.Follow)
	case Rejoin:
		return fmt.Sprintf("rejoin from %s on %s in epoch %d, boot %d", node(o.Primary), NewestText(o.History), o.Epoch, o.Boot)
	case Trust:
		return fmt.Sprintf("trust its data in epoch %d, boot %d", o.Epoch, o.Boot)
	case Compare:
		all := ""
		if o.Record.From > 0 {
			all = ", and all WAL from " + LSNText(o.Record.From) + " on"
		}
		return fmt.Sprintf("compare the record of %s at %s of timeline %d, boot %d%s", node(o.Member), LSNText(o.Record.LSN), o.Timeline, o.Follow, all)
	case Checkpoint:
		return fmt.Sprintf("checkpoint in epoch %d, boot %d", o.Epoch, o.Boot)
	case Stop:
		return fmt.Sprintf("stop in epoch %d, boot %d, for request %d", o.Epoch, o.Boot, o.Request)
	case Release:
		as := "a primary"
		if o.Recovery {
			as = "a standby"
		}
		return fmt.Sprintf("take no part in failover any more, as %s, off since epoch %d, boot %d", as, o.Epoch, o.Boot)
	case Join:
		return fmt.Sprintf("take part in failover from now on, epoch %d, boot %d", o.Epoch, o.Boot)
	case Watch:
		return fmt.Sprintf("watch the port of %s in epoch %d: %s", node(o.Member), o.Epoch, o.Address)
	}
	panic(fmt.Sprintf("an order of type %T", o))
}

// LSNText writes an LSN as PostgreSQL does.
func LSNText(v uint64) string { return fmt.Sprintf("%X/%X", v>>32, uint32(v)) }

// MembersText names members by their node numbers.
func MembersText(ids []uint64) string {
	var l []string
	for _, id := range ids {
		l = append(l, fmt.Sprint(uint32(id)))
	}
	switch len(l) {
	case 0:
		return "nobody"
	case 1:
		return "node " + l[0]
	}
	return "nodes " + strings.Join(l, ", ")
}

// WhyText is what is waited for, and of whom.
func WhyText(w Why) string {
	text := w.Reason.String()
	if len(w.Members) > 0 {
		text += ": " + MembersText(w.Members)
	}
	return text
}

// SetText is "1 of nodes 2, 3".
func SetText(s Set) string { return fmt.Sprintf("%d of %s", s.W, MembersText(s.Members)) }

// FollowersText names those whom tokens stand for.
func FollowersText(ts []Token) string {
	var ids []uint64
	for _, t := range ts {
		ids = append(ids, t.Member)
	}
	return MembersText(ids)
}

// NewestText is the last timeline of a history.
func NewestText(h []Branch) string {
	if len(h) == 0 {
		return "no timeline"
	}
	return fmt.Sprintf("timeline %d", h[len(h)-1].Timeline)
}

// NamesText is the sync set that names stand for.
func NamesText(n Names) string {
	return fmt.Sprintf("%s, announced %s", SetText(Set{W: n.W, Members: n.Members}), FollowersText(n.Tokens))
}
