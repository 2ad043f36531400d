package replay

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
)

// Failover's values in words: places in the WAL as PostgreSQL prints them, members by
// their nodes.

func position(p failover.Position) string {
	return fmt.Sprintf("%s of epoch %d", failover.LSNText(p.LSN), p.Epoch)
}

// lineage is a history, the first timeline first.
func lineage(h []failover.Branch) string {
	var l []string
	for i, b := range h {
		if i == 0 && b.Begin == 0 {
			l = append(l, fmt.Sprint(b.Timeline))
		} else {
			l = append(l, fmt.Sprintf("%d from %s", b.Timeline, failover.LSNText(b.Begin)))
		}
	}
	return strings.Join(l, ", ")
}

func fence(s failover.Shared) string {
	l := []string{"failover off"}
	for _, x := range []struct {
		on   bool
		word string
	}{{s.Founding, "founding"}, {!s.Joined, "not joined"}, {s.Quarantined, "quarantined"}, {s.Primary, "primary"}, {s.Open, "open"}, {s.Switchover != 0, "no commit begins"}, {s.LeaseCounts, "lease counts"}, {s.Reads, "reads"}, {s.Prove, "WAL to be compared"}} {
		if x.on {
			l = append(l, x.word)
		}
	}
	if s.Failover {
		l[0] = "failover on"
	}
	if s.Open {
		l = append(l, failover.SetText(s.Set), "announced "+failover.FollowersText(s.Tokens))
	}
	if s.Next != nil {
		l = append(l, "to be followed by "+failover.SetText(*s.Next))
	}
	if s.Limited || s.Limit > 0 {
		l = append(l, "acknowledges up to "+failover.LSNText(s.Limit))
	}
	if s.Decision > 0 {
		l = append(l, fmt.Sprintf("decision %d", s.Decision))
	}
	if s.Boots > 0 {
		l = append(l, fmt.Sprintf("boots up to entry %d known", s.Boots))
	}
	return fmt.Sprintf("epoch %d, boot %d: %s", s.Epoch, s.Boot, strings.Join(l, ", "))
}

// why is a reason, about whom it is, and for how long yet.
func why(w failover.Why) string {
	s := w.Reason.String()
	if len(w.Members) > 0 {
		s += " (" + failover.MembersText(w.Members) + ")"
	}
	if w.Millis > 0 {
		s += fmt.Sprintf(", for %d ms more", w.Millis)
	}
	return s
}

// Part is one thing to know of something, under a name.
type Part struct{ Name, Text string }

// ServerParts is what a host reported of its server.
func ServerParts(v *failover.Server) (l []Part) {
	add := func(name, f string, a ...any) { l = append(l, Part{name, fmt.Sprintf(f, a...)}) }
	is := "takes writes"
	if v.Recovery {
		is = "in recovery"
	}
	if v.Stopping {
		is += ", told to stop"
	}
	add("server", "%s", is)
	switch {
	case v.OneNote:
		add("joined", "one of its two notes says so")
	case !v.Joined:
		add("joined", "no")
	}
	if v.Untrusted {
		add("data", "older than it was")
	}
	if v.Wrote {
		add("timeline", "written by itself")
	}
	if v.OnlyClone {
		add("data", "to be cloned")
	}
	if v.Damage != failover.NotQuarantined {
		add("damage", "%v", v.Damage)
	}
	if v.Sealed > 0 {
		add("sealed", "up to epoch %d", v.Sealed)
	}
	noted := "noted for no epoch"
	if v.Noted > 0 {
		noted = fmt.Sprintf("noted for epoch %d", v.Noted)
	}
	add("WAL", "to %s on %s, %s", failover.LSNText(v.End), failover.NewestText(v.History), noted)
	if len(v.History) > 1 {
		add("history", "%s", lineage(v.History))
	}
	if v.Record != (failover.Record{}) {
		add("last record", "%s", record(v.Record))
	}
	if v.Recovery {
		done := ""
		if v.ReplayDone {
			done = ", all of it"
		}
		add("replayed", "to %s%s", failover.LSNText(v.Replayed), done)
		add("source", "%s", source(v))
		if v.Lacks {
			add("lacks", "WAL that its source has no more")
		}
		if v.Ended {
			add("stream", "ended by its source, which stops, with all of its WAL")
		}
	} else {
		add("flushed", "to %s", failover.LSNText(v.Flushed))
		if v.Boots > 0 {
			add("flushed", "looked at once boots up to entry %d were known", v.Boots)
		}
		if v.Fork > 0 {
			add("fork", "to %s", failover.LSNText(v.Fork))
		}
		if v.Checkpoint > 0 {
			add("checkpoint", "from %s", failover.LSNText(v.Checkpoint))
		}
		if v.Quiet > 0 {
			add("commits", "none is under way, and none begins for request %d", v.Quiet)
		}
		if v.Founded > 0 {
			add("commits", "none is under way of before failover was enabled in epoch %d", v.Founded)
		}
	}
	if v.Names.Epoch > 0 {
		add("names", "of epoch %d, boot %d: %s", v.Names.Epoch, v.Names.Boot, failover.NamesText(v.Names))
	}
	if v.Decision > 0 {
		add("published", "decision %d", v.Decision)
	}
	for _, s := range v.Senders {
		add(fmt.Sprintf("%s, boot %d", node(s.Token.Member), s.Token.Follow), "has flushed to %s in epoch %d", failover.LSNText(s.Flushed), s.Token.Epoch)
	}
	add("priority", "%d", v.Priority)
	add("address", "%s", v.Address)
	add("joined on", "timeline %d", v.JoinedOn)
	return l
}

func record(r failover.Record) string {
	s := fmt.Sprintf("to %s, CRC %08x", failover.LSNText(r.LSN), r.CRC)
	if r.From > 0 {
		s += fmt.Sprintf(", of all WAL from %s on %08x", failover.LSNText(r.From), r.Sum)
	}
	return s
}

func source(v *failover.Server) string {
	switch {
	case !v.Streaming:
		return "none"
	case v.Follows == failover.Token{}:
		return "not of failover"
	}
	return fmt.Sprintf("the primary of epoch %d, boot %d", v.Follows.Epoch, v.Follows.Boot)
}

// ServerText is the same in one line, less what hardly ever changes.
func ServerText(v *failover.Server) string {
	var l []string
	for _, p := range ServerParts(v) {
		switch p.Name {
		case "server":
			l = append(l, p.Text)
		case "history", "last record", "priority", "address", "joined on":
		default:
			l = append(l, p.Name+" "+p.Text)
		}
	}
	return strings.Join(l, "; ")
}
