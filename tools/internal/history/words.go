package history

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/pgraft/pgraft/core"
)

func fnv64(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// InputName is the name of an input's type in package core; Start for nil.
func InputName(in core.Input) string {
	if in == nil {
		return "Start"
	}
	return reflect.TypeOf(in).Name()
}

// InputText says what is in an input beside its name, in a few words. The
// message of a Receive is not part of it.
func InputText(in core.Input) string {
	switch in := in.(type) {
	case nil, core.Receive:
		return ""
	case core.Propose:
		return fmt.Sprintf("request %x, %d bytes, id %d", in.RequestID, len(in.Data), in.ID)
	case core.Persisted:
		return fmt.Sprintf("batch %d is durable", in.Seq)
	case core.Applied:
		return fmt.Sprintf("the host applied up to %d", in.Index)
	}
	var l []string
	for _, f := range Fields(in) {
		l = append(l, f.Path+" "+f.Value)
	}
	return strings.Join(l, ", ")
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
		text := fmt.Sprintf("reply to %d: %s", r.ID, CodeName(r.Code))
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
	return strings.Join(l, "; ")
}

func persistText(p core.Persist) string {
	text := fmt.Sprintf("persist batch %d:", p.Seq)
	if p.Snapshot != nil {
		text += fmt.Sprintf(" snapshot of the leader at %d/%d,", p.Snapshot.Index, p.Snapshot.Term)
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
	if p.Sync {
		return text + " synced"
	}
	return text + " unsynced"
}
