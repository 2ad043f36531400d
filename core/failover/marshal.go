package failover

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// Entries and the state as protobuf messages. What is read is checked for what Apply
// rests on; whether an entry makes sense is decided there. The texts of protobuf's own
// errors differ from build to build, so none gets into what is said here.

// marshal is the same on every machine. A message of these cannot fail.
func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", m, err))
	}
	return b
}

// Marshal returns an entry as bytes.
func Marshal(e Entry) []byte {
	var m corepb.FailoverEntry
	switch e := e.(type) {
	case Enable:
		m.Body = &corepb.FailoverEntry_Enable_{Enable: &corepb.FailoverEntry_Enable{Epoch: e.Epoch, Primary: e.Primary, Boot: e.Boot,
			System: e.System, Lsn: e.LSN, History: branchesTo(e.History), Highest: e.Highest, Set: setTo(e.Set), Settings: settingsTo(e.Settings)}}
	case Disable:
		m.Body = &corepb.FailoverEntry_Disable_{Disable: &corepb.FailoverEntry_Disable{Epoch: e.Epoch}}
	case Adjust:
		m.Body = &corepb.FailoverEntry_Adjust_{Adjust: &corepb.FailoverEntry_Adjust{Mode: uint32(e.Mode), Settings: settingsTo(e.Settings)}}
	case Describe:
		m.Body = &corepb.FailoverEntry_Describe_{Describe: &corepb.FailoverEntry_Describe{Member: e.Member, Boot: e.Boot,
			Address: []byte(e.Address), Data: e.Data, Joined: e.Joined, Priority: e.Priority}}
	case Begin:
		m.Body = &corepb.FailoverEntry_Begin_{Begin: &corepb.FailoverEntry_Begin{Epoch: e.Epoch}}
	case Report:
		m.Body = &corepb.FailoverEntry_Report_{Report: &corepb.FailoverEntry_Report{Epoch: e.Epoch, Member: e.Member, Boot: e.Boot,
			Position: positionTo(e.Position), Forks: branchesTo(e.Forks)}}
	case Grant:
		m.Body = &corepb.FailoverEntry_Grant_{Grant: &corepb.FailoverEntry_Grant{Epoch: e.Epoch, Primary: e.Primary, Set: setTo(e.Set)}}
	case Forked:
		m.Body = &corepb.FailoverEntry_Forked_{Forked: &corepb.FailoverEntry_Forked{Epoch: e.Epoch, Member: e.Member, History: branchesTo(e.History)}}
	case Open:
		m.Body = &corepb.FailoverEntry_Open_{Open: &corepb.FailoverEntry_Open{Epoch: e.Epoch, Member: e.Member, SetVersion: e.SetVersion}}
	case Reopen:
		m.Body = &corepb.FailoverEntry_Reopen_{Reopen: &corepb.FailoverEntry_Reopen{Epoch: e.Epoch, Member: e.Member, Boot: e.Boot}}
	case Quarantine:
		m.Body = &corepb.FailoverEntry_Quarantine_{Quarantine: &corepb.FailoverEntry_Quarantine{Member: e.Member, Reason: uint32(e.Reason), Epoch: e.Epoch}}
	case Clear:
		m.Body = &corepb.FailoverEntry_Clear_{Clear: &corepb.FailoverEntry_Clear{Member: e.Member}}
	case Change:
		m.Body = &corepb.FailoverEntry_Change_{Change: &corepb.FailoverEntry_Change{Epoch: e.Epoch, Member: e.Member, Boot: e.Boot, Version: e.Version, Set: setTo(e.Set)}}
	case Progress:
		m.Body = &corepb.FailoverEntry_Progress_{Progress: &corepb.FailoverEntry_Progress{Epoch: e.Epoch, Member: e.Member, Boot: e.Boot, Lsn: e.LSN, Lag: e.Lag, Since: e.Since}}
	case Request:
		m.Body = &corepb.FailoverEntry_Request_{Request: &corepb.FailoverEntry_Request{Epoch: e.Epoch, Target: e.Target, Way: uint32(e.Way), Millis: e.Millis}}
	case Abort:
		m.Body = &corepb.FailoverEntry_Abort_{Abort: &corepb.FailoverEntry_Abort{Epoch: e.Epoch, Member: e.Member, Request: e.Request}}
	case Switchover:
		m.Body = &corepb.FailoverEntry_Switchover_{Switchover: &corepb.FailoverEntry_Switchover{Epoch: e.Epoch, Member: e.Member, Boot: e.Boot, Request: e.Request}}
	case Override:
		m.Body = &corepb.FailoverEntry_Override_{Override: &corepb.FailoverEntry_Override{Epoch: e.Epoch, Target: e.Target, Loss: lossTo(e.Loss)}}
	default:
		panic(fmt.Sprintf("an entry of type %T", e))
	}
	return marshal(&m)
}

// Unmarshal reads an entry. It fails for bytes that are none, and for an entry of a
// kind that this build does not know.
func Unmarshal(b []byte) (Entry, error) {
	var m corepb.FailoverEntry
	if proto.Unmarshal(b, &m) != nil {
		return nil, fmt.Errorf("failover: not an entry: %d bytes", len(b))
	}
	switch x := m.GetBody().(type) {
	case *corepb.FailoverEntry_Enable_:
		e := x.Enable
		return Enable{e.GetEpoch(), e.GetPrimary(), e.GetBoot(), e.GetSystem(), e.GetLsn(), branchesFrom(e.GetHistory()),
			e.GetHighest(), setFrom(e.GetSet()), settingsFrom(e.GetSettings())}, nil
	case *corepb.FailoverEntry_Disable_:
		return Disable{x.Disable.GetEpoch()}, nil
	case *corepb.FailoverEntry_Adjust_:
		return Adjust{small[Mode](x.Adjust.GetMode()), settingsFrom(x.Adjust.GetSettings())}, nil
	case *corepb.FailoverEntry_Describe_:
		e := x.Describe
		return Describe{e.GetMember(), e.GetBoot(), string(e.GetAddress()), e.GetData(), e.GetJoined(), e.GetPriority()}, nil
	case *corepb.FailoverEntry_Begin_:
		return Begin{x.Begin.GetEpoch()}, nil
	case *corepb.FailoverEntry_Report_:
		e := x.Report
		return Report{e.GetEpoch(), e.GetMember(), e.GetBoot(), positionFrom(e.GetPosition()), branchesFrom(e.GetForks())}, nil
	case *corepb.FailoverEntry_Grant_:
		return Grant{x.Grant.GetEpoch(), x.Grant.GetPrimary(), setFrom(x.Grant.GetSet())}, nil
	case *corepb.FailoverEntry_Forked_:
		return Forked{x.Forked.GetEpoch(), x.Forked.GetMember(), branchesFrom(x.Forked.GetHistory())}, nil
	case *corepb.FailoverEntry_Open_:
		return Open{x.Open.GetEpoch(), x.Open.GetMember(), x.Open.GetSetVersion()}, nil
	case *corepb.FailoverEntry_Reopen_:
		return Reopen{x.Reopen.GetEpoch(), x.Reopen.GetMember(), x.Reopen.GetBoot()}, nil
	case *corepb.FailoverEntry_Quarantine_:
		return Quarantine{x.Quarantine.GetMember(), small[Quarantined](x.Quarantine.GetReason()), x.Quarantine.GetEpoch()}, nil
	case *corepb.FailoverEntry_Clear_:
		return Clear{x.Clear.GetMember()}, nil
	case *corepb.FailoverEntry_Change_:
		e := x.Change
		return Change{e.GetEpoch(), e.GetMember(), e.GetBoot(), e.GetVersion(), setFrom(e.GetSet())}, nil
	case *corepb.FailoverEntry_Progress_:
		e := x.Progress
		return Progress{e.GetEpoch(), e.GetMember(), e.GetBoot(), e.GetLsn(), e.GetLag(), e.GetSince()}, nil
	case *corepb.FailoverEntry_Request_:
		return Request{x.Request.GetEpoch(), x.Request.GetTarget(), small[Way](x.Request.GetWay()), x.Request.GetMillis()}, nil
	case *corepb.FailoverEntry_Abort_:
		return Abort{x.Abort.GetEpoch(), x.Abort.GetMember(), x.Abort.GetRequest()}, nil
	case *corepb.FailoverEntry_Switchover_:
		e := x.Switchover
		return Switchover{e.GetEpoch(), e.GetMember(), e.GetBoot(), e.GetRequest()}, nil
	case *corepb.FailoverEntry_Override_:
		return Override{x.Override.GetEpoch(), x.Override.GetTarget(), lossFrom(x.Override.GetLoss())}, nil
	}
	return nil, errors.New("failover: an entry of a kind that this pgraft does not know: install a newer one")
}

// small keeps a number that no constant has apart from those that one has.
func small[T ~uint8](n uint32) T { return T(min(n, 255)) }

// Marshal returns the state as bytes; none for the zero State.
func (s *State) Marshal() []byte {
	m := corepb.FailoverState{System: s.System, Mode: uint32(s.Mode), Timelines: s.Timelines}
	if s.Settings != (Settings{}) {
		m.Settings = settingsTo(s.Settings)
	}
	if e := &s.Epoch; e.Number > 0 {
		m.Epoch = &corepb.FailoverState_Epoch{Number: e.Number, Stage: uint32(e.Stage), Primary: e.Primary, Boot: e.Boot,
			From: positionTo(e.From), Timeline: e.Timeline, Set: setTo(e.Set), SetVersion: e.SetVersion, Changed: e.Changed,
			Ask: askTo(e.Ask), Overrides: e.Overrides, Loss: lossTo(e.Loss)}
	}
	if s.Last.Number > 0 {
		m.Last = &corepb.FailoverState_Reign{Number: s.Last.Number, Primary: s.Last.Primary, Set: setTo(s.Last.Set), Progress: s.Last.Progress, Lag: s.Last.Lag, Since: s.Last.Since}
	}
	for _, r := range s.Reports {
		m.Reports = append(m.Reports, reportedTo(r))
	}
	for _, f := range s.Forks {
		m.Forks = append(m.Forks, &corepb.FailoverState_Fork{Timeline: f.Timeline, Parent: f.Parent, Switch: f.Switch, Epoch: f.Epoch, Override: f.Override, Short: f.Short})
	}
	for _, x := range s.Members {
		m.Members = append(m.Members, &corepb.FailoverState_Member{Id: x.ID, Address: []byte(x.Address), Data: x.Data, Joined: x.Joined,
			Priority: x.Priority, Boot: x.Boot, Quarantined: uint32(x.Quarantined), Failed: x.Failed, Known: x.Known})
	}
	for _, p := range s.Past {
		m.Past = append(m.Past, &corepb.FailoverState_Past{Epoch: p.Epoch, Primary: p.Primary, From: positionTo(p.From),
			Timeline: p.Timeline, Granted: p.Granted, Opened: p.Opened, GivenUp: p.GivenUp, Kept: p.Kept, Loss: lossTo(p.Loss)})
	}
	return marshal(&m)
}

// UnmarshalState reads what State.Marshal wrote.
func UnmarshalState(b []byte) (State, error) {
	var m corepb.FailoverState
	if proto.Unmarshal(b, &m) != nil {
		return State{}, fmt.Errorf("failover: not a state: %d bytes", len(b))
	}
	e := m.GetEpoch()
	s := State{System: m.GetSystem(), Mode: small[Mode](m.GetMode()), Settings: settingsFrom(m.GetSettings()), Timelines: m.GetTimelines(),
		Epoch: Epoch{Number: e.GetNumber(), Stage: small[Stage](e.GetStage()), Primary: e.GetPrimary(), Boot: e.GetBoot(),
			From: positionFrom(e.GetFrom()), Timeline: e.GetTimeline(), Set: setFrom(e.GetSet()), SetVersion: e.GetSetVersion(), Changed: e.GetChanged(),
			Ask: askFrom(e.GetAsk()), Overrides: e.GetOverrides(), Loss: lossFrom(e.GetLoss())},
		Last: Reign{m.GetLast().GetNumber(), m.GetLast().GetPrimary(), setFrom(m.GetLast().GetSet()), m.GetLast().GetProgress(), m.GetLast().GetLag(), m.GetLast().GetSince()}}
	for _, r := range m.GetReports() {
		s.Reports = append(s.Reports, reportedFrom(r))
	}
	for _, f := range m.GetForks() {
		s.Forks = append(s.Forks, Fork{f.GetTimeline(), f.GetParent(), f.GetSwitch(), f.GetEpoch(), f.GetOverride(), f.GetShort()})
	}
	for _, x := range m.GetMembers() {
		s.Members = append(s.Members, Member{ID: x.GetId(), Address: string(x.GetAddress()), Data: x.GetData(), Joined: x.GetJoined(),
			Priority: x.GetPriority(), Boot: x.GetBoot(), Quarantined: small[Quarantined](x.GetQuarantined()), Failed: x.GetFailed(), Known: x.GetKnown()})
	}
	for _, p := range m.GetPast() {
		s.Past = append(s.Past, Past{p.GetEpoch(), p.GetPrimary(), positionFrom(p.GetFrom()), p.GetTimeline(), p.GetGranted(), p.GetOpened(), p.GetGivenUp(), p.GetKept(), lossFrom(p.GetLoss())})
	}
	return s, s.check()
}

// check refuses a state that Apply cannot have made.
func (s *State) check() error {
	switch {
	case s.Mode > ModeManual || s.Epoch.Stage > StageOpen || s.Settings.Durability > Async || s.Epoch.Ask.Way >= ways:
		return fmt.Errorf("failover: a state with mode %d, stage %d, durability %d, request %d, which this pgraft does not know",
			s.Mode, s.Epoch.Stage, s.Settings.Durability, s.Epoch.Ask.Way)
	case (s.Mode == ModeOff) != (s.Epoch.Stage == StageNone):
		return fmt.Errorf("failover: a state with mode %d at stage %d", s.Mode, s.Epoch.Stage)
	case s.Epoch.Stage >= StageGranted && (s.Member(s.Epoch.Primary) == nil || s.fork(s.Epoch.Timeline) == nil):
		return fmt.Errorf("failover: a state whose primary %x or timeline %d is unknown", s.Epoch.Primary, s.Epoch.Timeline)
	}
	for i, m := range s.Members {
		if i > 0 && s.Members[i-1].ID >= m.ID || m.Quarantined >= quarantines {
			return fmt.Errorf("failover: a state with member %x as number %d, quarantined %d", m.ID, i, m.Quarantined)
		}
	}
	for i, r := range s.Reports {
		if i > 0 && s.Reports[i-1].Member >= r.Member || s.Member(r.Member) == nil {
			return fmt.Errorf("failover: a state with a report of member %x as number %d", r.Member, i)
		}
	}
	for i, f := range s.Forks {
		if f.Timeline == 0 || f.Parent >= f.Timeline || i > 0 && s.Forks[i-1].Timeline >= f.Timeline {
			return fmt.Errorf("failover: a state with timeline %d of %d as number %d", f.Timeline, f.Parent, i)
		}
	}
	return nil
}

func positionTo(p Position) *corepb.FailoverPosition {
	return &corepb.FailoverPosition{Epoch: p.Epoch, Lsn: p.LSN}
}

func positionFrom(p *corepb.FailoverPosition) Position { return Position{p.GetEpoch(), p.GetLsn()} }

func setTo(c Set) *corepb.FailoverSet { return &corepb.FailoverSet{W: c.W, Members: c.Members} }

func setFrom(c *corepb.FailoverSet) Set { return Set{c.GetW(), c.GetMembers()} }

func settingsTo(s Settings) *corepb.FailoverSettings {
	return &corepb.FailoverSettings{Durability: uint32(s.Durability), SyncCount: s.SyncCount, DelayMillis: s.DelayMillis,
		SyncTimeoutMillis: s.SyncTimeoutMillis, MaximumLag: s.MaximumLag}
}

func settingsFrom(s *corepb.FailoverSettings) Settings {
	return Settings{small[Durability](s.GetDurability()), s.GetSyncCount(), s.GetDelayMillis(), s.GetSyncTimeoutMillis(), s.GetMaximumLag()}
}

func branchesTo(h []Branch) (l []*corepb.FailoverBranch) {
	for _, b := range h {
		l = append(l, &corepb.FailoverBranch{Timeline: b.Timeline, Begin: b.Begin})
	}
	return l
}

func branchesFrom(l []*corepb.FailoverBranch) (h []Branch) {
	for _, b := range l {
		h = append(h, Branch{b.GetTimeline(), b.GetBegin()})
	}
	return h
}
