package history

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

func fnv64(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// InputName is the name of a step's input in package core; Start for a start, or
// Checkpoint if that only begins the record.
func InputName(s *Step) string {
	switch {
	case s.Start == nil:
		return reflect.TypeOf(s.In).Name()
	case s.Start.Resumed:
		return "Checkpoint"
	}
	return "Start"
}

// InputText says what is in a step's input beside its name, in a few words. The
// message of a Receive is not part of it.
func InputText(s *Step) string {
	switch in := s.In.(type) {
	case nil:
		return startText(s.Start)
	case core.Receive:
		return ""
	case core.Propose:
		return fmt.Sprintf("request %x, %d bytes, id %d", in.RequestID, len(in.Data), in.ID)
	case core.Persisted:
		return fmt.Sprintf("batch %d is durable", in.Seq)
	case core.Applied:
		return fmt.Sprintf("the host applied up to %d", in.Index)
	case core.Batch:
		return batchText(in)
	case core.FailoverServer, core.FailoverPort, core.FailoverCompared, core.FailoverJoin, core.ProposeFailover:
		return replay.FailoverInputText(in)
	}
	var l []string
	for _, f := range Fields(s.In) {
		l = append(l, f.Path+" "+f.Value)
	}
	return strings.Join(l, ", ")
}

// batchText counts the inputs of a batch by their kinds, in the order in which the
// kinds appear; what is in those of failover follows.
func batchText(b core.Batch) string {
	var kinds []string
	count := map[string]int{}
	for _, in := range b.Inputs {
		kind := reflect.TypeOf(in).Name()
		if count[kind]++; count[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", count[kind], kind)
	}
	text := strings.Join(kinds, ", ")
	for _, in := range b.Inputs {
		if more := replay.FailoverInputText(in); more != "" {
			text += "; " + reflect.TypeOf(in).Name() + ": " + more
		}
	}
	return text
}

func startText(s *Start) string {
	c := s.Config
	text := fmt.Sprintf("a tick is %d ms, election after %d ticks, heartbeat every %d", c.TickMillis, c.ElectionTicks, c.HeartbeatTicks)
	if c.Failover.Boot > 0 {
		text += fmt.Sprintf(", boot %d for failover", c.Failover.Boot)
	}
	if s.Resumed {
		return fmt.Sprintf("the record begins after input %d; %s", s.Seq, text)
	}
	d := s.Durable
	first, last := uint64(0), uint64(0)
	if d.Snapshot != nil {
		first, last = d.Snapshot.Index, d.Snapshot.Index
	}
	if n := len(d.Entries); n > 0 {
		last = d.Entries[n-1].Index
	}
	return fmt.Sprintf("term %d, vote %s, commit %d, snapshot at %d, log up to %d; %s",
		d.HardState.Term, NodeName(d.HardState.Vote), d.HardState.Commit, first, last, text)
}

// StepText says what came of a step beside the messages sent: OutputText, and what it
// decided of failover.
func StepText(s *Step) string {
	l := s.FailedOver
	if text := OutputText(s.Out); text != "" {
		l = append([]string{text}, l...)
	}
	return strings.Join(l, "; ")
}

// OutputText says what came of a step beside the messages sent, one clause for
// each batch, reply and event.
func OutputText(out core.Output) string {
	var l []string
	say := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	for _, p := range out.Persist {
		say("%s", persistText(p))
	}
	if n := len(out.Apply); n == 1 {
		say("apply %d", out.Apply[0].Index)
	} else if n > 1 {
		say("apply %d to %d", out.Apply[0].Index, out.Apply[n-1].Index)
	}
	for _, r := range out.Reply {
		text := fmt.Sprintf("reply to %d: %s", r.ID, replay.CodeName(r.Code))
		if r.Index > 0 {
			text += fmt.Sprintf(" at %d/%d", r.Index, r.Term)
		}
		if r.Text != "" {
			text += " (" + r.Text + ")"
		}
		l = append(l, text)
	}
	for _, e := range out.Events {
		say("event: %s", e.Text)
	}
	if out.MembersChanged {
		say("the members changed")
	}
	l = append(l, replay.Retained(out.Retain)...)
	return strings.Join(l, "; ")
}

func persistText(p core.Persist) string {
	text := fmt.Sprintf("persist batch %d:", p.Seq)
	if p.Snapshot != nil {
		text += fmt.Sprintf(" snapshot of the leader at %d/%d,", p.Snapshot.Index, p.Snapshot.Term)
	}
	if p.Keep > 0 {
		text += fmt.Sprintf(" own log kept up to %d,", p.Keep)
	}
	if n := len(p.History); n > 0 {
		text += fmt.Sprintf(" history from %d/%d to %d/%d,", p.History[0].Index, p.History[0].Term, p.History[n-1].Index, p.History[n-1].Term)
	}
	if p.Mark != nil {
		text += fmt.Sprintf(" own snapshot at %d/%d,", p.Mark.Index, p.Mark.Term)
	}
	if n := len(p.Entries); n == 1 {
		text += fmt.Sprintf(" entry %d/%d,", p.Entries[0].Index, p.Entries[0].Term)
	} else if n > 1 {
		text += fmt.Sprintf(" entries %d/%d to %d/%d,", p.Entries[0].Index, p.Entries[0].Term, p.Entries[n-1].Index, p.Entries[n-1].Term)
	}
	if h := p.HardState; h != nil {
		text += fmt.Sprintf(" term %d, vote %s, commit %d,", h.Term, NodeName(h.Vote), h.Commit)
	}
	if p.PromiseMillis != 0 {
		text += fmt.Sprintf(" promise %d ms,", p.PromiseMillis)
	}
	if p.Version != 0 {
		text += fmt.Sprintf(" for builds that know version %d,", p.Version)
	}
	if p.Sync {
		return text + " synced"
	}
	return text + " unsynced"
}
