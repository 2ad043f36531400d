package replay

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
)

// What an operator says of who is to be primary.

// askText is what an operator has asked for; empty if nothing.
func askText(a failover.Ask) string {
	switch a.Way {
	case failover.NotAsked:
		return ""
	case failover.WayFailover:
		return node(a.Target) + " to take over"
	case failover.WayOverride:
		return node(a.Target) + " to take over, whatever is missing"
	case failover.WayChosen, failover.WaySwitched:
		return node(a.Target) + " to get the epoch"
	case failover.WaySwitchover:
		return "a switchover to " + node(a.Target)
	case failover.WaySwitching:
		return "a switchover to " + node(a.Target) + ", and no commit begins any more"
	}
	return fmt.Sprintf("%s, in way %d", node(a.Target), a.Way)
}

// lossText is what is given up.
func lossText(l failover.Loss) string {
	if l.None() {
		return "nothing"
	}
	var t []string
	for _, r := range l.Greater {
		t = append(t, fmt.Sprintf("what %s has up to %s", node(r.Member), position(r.Position)))
	}
	for _, id := range l.Missing {
		t = append(t, "what only "+node(id)+" has")
	}
	return strings.Join(t, ", ")
}

// loggedWord is what an operator's word has changed between two states.
func loggedWord(was, is *failover.State) (l []string) {
	e, old := &is.Epoch, &was.Epoch
	switch t := askText(e.Ask); {
	case e.Ask == old.Ask:
	case t == "" && e.Number == old.Number && e.Stage == old.Stage:
		l = append(l, fmt.Sprintf("epoch %d: what an operator asked for is given up", e.Number))
	case t != "":
		l = append(l, fmt.Sprintf("epoch %d: an operator wants %s", e.Number, t))
	}
	if e.Overrides != 0 && old.Overrides != e.Overrides {
		l = append(l, fmt.Sprintf("epoch %d: an operator overrides for %s, giving up %s", e.Number, node(e.Overrides), lossText(e.Loss)))
	}
	for _, p := range is.Past {
		if !p.Loss.None() && len(was.Past) > 0 && was.Past[len(was.Past)-1].Epoch < p.Epoch {
			l = append(l, fmt.Sprintf("epoch %d gives up %s", p.Epoch, lossText(p.Loss)))
		}
	}
	return l
}

func wordText(e failover.Entry) string {
	switch e := e.(type) {
	case failover.Request:
		t := askText(failover.Ask{Way: e.Way, Target: e.Target})
		return fmt.Sprintf("request of epoch %d: %s", e.Epoch, t)
	case failover.Switchover:
		return fmt.Sprintf("%s switches over in epoch %d, boot %d, for request %d", node(e.Member), e.Epoch, e.Boot, e.Request)
	case failover.Abort:
		return fmt.Sprintf("give up the request %d of epoch %d", e.Request, e.Epoch)
	case failover.Override:
		return fmt.Sprintf("override in epoch %d for %s, giving up %s", e.Epoch, node(e.Target), lossText(e.Loss))
	}
	panic(fmt.Sprintf("an entry of type %T", e))
}
