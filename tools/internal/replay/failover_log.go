package replay

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// What the log has decided of failover, and what it decides with an entry.

var (
	modeNames       = [...]string{"off", "founding", "on", "manual"}
	stageNames      = [...]string{"over", "begun", "granted", "forked", "open"}
	durabilityNames = [...]string{"required", "preferred", "async"}
)

// StageNames are how far an epoch can have come, in order.
func StageNames() []string { return stageNames[:] }

// nameOf is for what an entry asks for, which need not be anything that there is.
func nameOf[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprint(uint8(v))
}

// StateParts is all that the log has decided.
func StateParts(s *failover.State) (l []Part) {
	add := func(name, f string, a ...any) { l = append(l, Part{name, fmt.Sprintf(f, a...)}) }
	e := &s.Epoch
	add("mode", "%s", modeNames[s.Mode])
	add("epoch", "%d, %s", e.Number, stageNames[e.Stage])
	if e.Stage >= failover.StageGranted {
		add("primary", "%s, boot %d", node(e.Primary), e.Boot)
		add("timeline", "%d, from %s", e.Timeline, position(e.From))
		add("sync set", "%s, version %d", failover.SetText(e.Set), e.SetVersion)
	}
	if t := askText(e.Ask); t != "" {
		add("an operator wants", "%s", t)
	}
	if e.Overrides != 0 {
		add("override", "%s, giving up %s", node(e.Overrides), lossText(e.Loss))
	}
	if s.Last.Number > 0 {
		add("last open epoch", "%d of %s, sync set %s", s.Last.Number, node(s.Last.Primary), failover.SetText(s.Last.Set))
	}
	for _, r := range s.Reports {
		add("report of "+node(r.Member), "%s, boot %d", position(r.Position), r.Boot)
	}
	for i := range s.Members {
		add("member "+node(s.Members[i].ID), "%s", member(&s.Members[i]))
	}
	if s.Mode != failover.ModeOff {
		add("settings", "%s", settingsText(s.Settings))
	}
	return l
}

func member(m *failover.Member) string {
	if !m.Data {
		return fmt.Sprintf("a witness, boot %d", m.Boot)
	}
	s := fmt.Sprintf("priority %d, boot %d, at %s", m.Priority, m.Boot, m.Address)
	if !m.Joined {
		s += ", not joined"
	}
	if m.Failed > 0 {
		s += fmt.Sprintf(", its last %d grants did not open", m.Failed)
	}
	if m.Quarantined != failover.NotQuarantined {
		s += fmt.Sprintf(", quarantined: %v", m.Quarantined)
	}
	return s
}

func settingsText(s failover.Settings) string {
	return fmt.Sprintf("durability %s, sync_count %d, failover_delay %d ms, sync_timeout %d ms",
		nameOf(durabilityNames[:], s.Durability), s.SyncCount, s.DelayMillis, s.SyncTimeoutMillis)
}

// logged is what was decided between two states.
func logged(was, is *failover.State) (l []string) {
	add := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	for i := range is.Members {
		m := &is.Members[i]
		if old := was.Member(m.ID); old == nil || *old != *m {
			add("%s: %s", node(m.ID), member(m))
		}
	}
	for _, m := range was.Members {
		if is.Member(m.ID) == nil {
			add("%s is no member any more", node(m.ID))
		}
	}
	l = append(l, loggedEpoch(was, is)...)
	l = append(l, loggedWord(was, is)...)
	for _, r := range is.Reports {
		if old := was.Report(r.Member); old == nil || *old != r || was.Epoch.Number != is.Epoch.Number {
			add("epoch %d: %s reports %s, boot %d", is.Epoch.Number, node(r.Member), position(r.Position), r.Boot)
		}
	}
	if was.Mode != is.Mode {
		add("failover is %s", modeNames[is.Mode])
	}
	if is.Mode != failover.ModeOff && was.Settings != is.Settings {
		add("settings: %s", settingsText(is.Settings))
	}
	return l
}

// Milestones are those of what was decided between two states that change who is, or may
// be, the primary: epochs that come further, the mode, quarantines.
func Milestones(was, is *failover.State) (l []string) {
	l = stages(was, is)
	if was.Mode != is.Mode {
		l = append(l, "failover is "+modeNames[is.Mode])
	}
	for i := range is.Members {
		m, old := &is.Members[i], was.Member(is.Members[i].ID)
		if m.Quarantined != failover.NotQuarantined && (old == nil || old.Quarantined == failover.NotQuarantined) {
			l = append(l, fmt.Sprintf("%s is quarantined: %v", node(m.ID), m.Quarantined))
		}
	}
	return l
}

// stages are those that the newest epoch has come to. Of several at once each is named.
func stages(was, is *failover.State) (l []string) {
	stage := was.Epoch.Stage
	if was.Epoch.Number != is.Epoch.Number {
		stage = failover.StageNone
	}
	for s := stage + 1; s <= is.Epoch.Stage; s++ {
		if founds(&is.Epoch) && s < failover.StageForked {
			continue
		}
		l = append(l, epochText(is, s))
	}
	return l
}

// founds says whether failover was enabled with an epoch: it begins as a forked one, on
// the timeline that is there.
func founds(e *failover.Epoch) bool {
	return e.Stage >= failover.StageForked && e.From.Epoch == e.Number
}

// loggedEpoch is about the newest epoch.
func loggedEpoch(was, is *failover.State) []string {
	l := stages(was, is)
	e, old := &is.Epoch, &was.Epoch
	if e.Number != old.Number || old.Stage < failover.StageGranted || e.Stage < failover.StageGranted {
		return l
	}
	if e.Boot != old.Boot {
		l = append(l, fmt.Sprintf("epoch %d: the engine of %s is at boot %d", e.Number, node(e.Primary), e.Boot))
	}
	if e.SetVersion != old.SetVersion || e.Set.W != old.Set.W || !slices.Equal(e.Set.Members, old.Set.Members) {
		l = append(l, fmt.Sprintf("epoch %d: sync set %s, version %d", e.Number, failover.SetText(e.Set), e.SetVersion))
	}
	return l
}

// epochText says that the newest epoch has come to a stage.
func epochText(s *failover.State, stage failover.Stage) string {
	e := &s.Epoch
	switch text := fmt.Sprintf("epoch %d %s", e.Number, stageNames[stage]); stage {
	case failover.StageBegun:
		if s.Last.Number == 0 || s.Last.Number == e.Number { // it has come further since
			return text
		}
		return fmt.Sprintf("%s, judged by epoch %d of %s, sync set %s", text, s.Last.Number, node(s.Last.Primary), failover.SetText(s.Last.Set))
	case failover.StageGranted:
		return fmt.Sprintf("%s to %s, boot %d: timeline %d from %s, sync set %s", text, node(e.Primary), e.Boot, e.Timeline, position(e.From), failover.SetText(e.Set))
	case failover.StageForked, failover.StageOpen:
		if founds(e) && stage == failover.StageForked {
			return fmt.Sprintf("epoch %d founded by %s, boot %d: timeline %d from %s, sync set %s", e.Number, node(e.Primary), e.Boot, e.Timeline, failover.LSNText(e.From.LSN), failover.SetText(e.Set))
		}
		return fmt.Sprintf("%s by %s on timeline %d", text, node(e.Primary), e.Timeline)
	default:
		return text
	}
}

// EntryText says what an entry of failover asks for.
func EntryText(e failover.Entry) string {
	switch e := e.(type) {
	case failover.Enable:
		return fmt.Sprintf("enable: epoch %d of %s, boot %d, at %s on %s, sync set %s", e.Epoch, node(e.Primary), e.Boot, failover.LSNText(e.LSN), failover.NewestText(e.History), failover.SetText(e.Set))
	case failover.Disable:
		return fmt.Sprintf("disable in epoch %d", e.Epoch)
	case failover.Adjust:
		return fmt.Sprintf("adjust: mode %s, %s", nameOf(modeNames[:], e.Mode), settingsText(e.Settings))
	case failover.Describe:
		return fmt.Sprintf("describe %s: %s", node(e.Member), member(&failover.Member{Address: e.Address, Data: e.Data, Joined: e.Joined, Priority: e.Priority, Boot: e.Boot}))
	case failover.Begin:
		return fmt.Sprintf("begin epoch %d", e.Epoch)
	case failover.Report:
		text := fmt.Sprintf("report of %s for epoch %d: %s, boot %d", node(e.Member), e.Epoch, position(e.Position), e.Boot)
		if len(e.Forks) > 0 {
			text += ", forks " + lineage(e.Forks)
		}
		return text
	case failover.Grant:
		return fmt.Sprintf("grant epoch %d to %s, sync set %s", e.Epoch, node(e.Primary), failover.SetText(e.Set))
	case failover.Forked:
		return fmt.Sprintf("%s forked epoch %d: history %s", node(e.Member), e.Epoch, lineage(e.History))
	case failover.Open:
		return fmt.Sprintf("%s opens epoch %d, sync set version %d", node(e.Member), e.Epoch, e.SetVersion)
	case failover.Reopen:
		return fmt.Sprintf("reopen epoch %d for %s, boot %d", e.Epoch, node(e.Member), e.Boot)
	case failover.Quarantine:
		return fmt.Sprintf("quarantine %s: %v", node(e.Member), e.Reason)
	case failover.Clear:
		return "end the quarantine of " + node(e.Member)
	case failover.Progress:
		return fmt.Sprintf("%s, boot %d, has flushed up to %s in epoch %d, maximum_lag %d since entry %d", node(e.Member), e.Boot, failover.LSNText(e.LSN), e.Epoch, e.Lag, e.Since)
	case failover.Change:
		return fmt.Sprintf("%s, boot %d, changes the sync set of epoch %d to %s, version %d", node(e.Member), e.Boot, e.Epoch, failover.SetText(e.Set), e.Version)
	}
	return wordText(e)
}
