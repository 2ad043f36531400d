package replay

import (
	"fmt"
	"strings"
	"unicode/utf8"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/retain"
	"github.com/pgraft/pgraft/core/trace"
)

// maxShown is how many bytes of data a line shows.
const maxShown = 40

// Line says in one line what happened.
func (e *Event) Line() string {
	switch f := e.Frame.(type) {
	case *trace.Header:
		return fmt.Sprintf("file %d of cluster %q, build %s", f.File, f.ClusterID, orUnknown(f.Build))
	case *trace.Boot:
		h := f.Durable.HardState
		s := fmt.Sprintf("the core starts: term %d, commit %d, %d log entries after the snapshot, seed %x", h.Term, h.Commit, len(f.Durable.Entries), f.Config.Seed)
		if b := f.Config.Failover.Boot; b > 0 {
			s += fmt.Sprintf(", boot %d for failover", b)
		}
		return s
	case *trace.Checkpoint:
		return fmt.Sprintf("checkpoint of %d bytes", len(f.Data))
	case *trace.Note:
		return f.Class + ": " + f.Text
	case *trace.End:
		return "the file ends: " + f.Reason
	}
	if e.Step == nil {
		return "an input that cannot be read"
	}
	return Describe(e.Step.Input)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// Describe says what an input is, in one line.
func Describe(in core.Input) string {
	switch in := in.(type) {
	case core.Receive:
		return fmt.Sprintf("Receive from %s: %s", node(in.From), Message(in.Data))
	case core.Propose:
		return fmt.Sprintf("Propose %d: request %x, %s", in.ID, in.RequestID[:4], shown(in.Data))
	case core.Batch:
		return batch(in)
	case core.PeerUnreachable:
		return "PeerUnreachable " + node(in.RaftID)
	case core.PeerClosed:
		return fmt.Sprintf("PeerClosed %s, %v", node(in.RaftID), in.Closed)
	case core.SnapshotSent:
		return fmt.Sprintf("SnapshotSent to %s, ok %v", node(in.RaftID), in.OK)
	case core.AddNode:
		return fmt.Sprintf("AddNode %d: node %d at %s:%d", in.ID, in.NodeID, in.Address, in.Port)
	case core.HistoryRead:
		return fmt.Sprintf("HistoryRead %d: %d entries, the log begins at %d, failed %v", in.Ticket, len(in.Entries), in.First, in.Failed)
	case core.FailoverServer, core.FailoverPort, core.FailoverCompared, core.FailoverJoin, core.ProposeFailover:
		return failoverInput(in)
	case core.ReplaceNode:
		return fmt.Sprintf("ReplaceNode %d: node %d by node %d at %s:%d", in.ID, in.OldNodeID, in.NodeID, in.Address, in.Port)
	}
	s := fmt.Sprintf("%T %+v", in, in)
	return strings.TrimSuffix(strings.TrimPrefix(s, "core."), " {}")
}

// maxListed is how many inputs of a batch a line names.
const maxListed = 8

func batch(b core.Batch) string {
	var l []string
	for _, in := range b.Inputs[:min(len(b.Inputs), maxListed)] {
		l = append(l, Describe(in))
	}
	if more := len(b.Inputs) - len(l); more > 0 {
		l = append(l, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("Batch of %d: %s", len(b.Inputs), strings.Join(l, "; "))
}

func node(raftID uint64) string {
	return fmt.Sprintf("node %d", core.NodeID(raftID))
}

func shown(b []byte) string {
	if utf8.Valid(b) && len(b) <= maxShown {
		return fmt.Sprintf("%q", b)
	}
	if utf8.Valid(b[:min(len(b), maxShown/2)]) {
		return fmt.Sprintf("%d bytes %q...", len(b), b[:min(len(b), maxShown/2)])
	}
	return fmt.Sprintf("%d bytes %x...", len(b), b[:min(len(b), maxShown/4)])
}

// Message says what is in a message between two cores.
func Message(data []byte) string {
	var env corepb.Envelope
	if err := proto.Unmarshal(data, &env); err != nil {
		return fmt.Sprintf("%d bytes that are no message: %v", len(data), err)
	}
	s := ""
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		s = raftMessage(b.Raft)
	case *corepb.Envelope_Forward:
		s = fmt.Sprintf("Forward request %x, %s", first4(b.Forward.GetCommand().GetRequestId()), shown(b.Forward.GetCommand().GetData())) +
			others(len(b.Forward.GetMore()))
	case *corepb.Envelope_ForwardReply:
		r := b.ForwardReply
		s = fmt.Sprintf("ForwardReply request %x: %v at %d/%d", first4(r.GetRequestId()), r.GetVerdict(), r.GetIndex(), r.GetTerm()) + others(len(r.GetMore()))
	case *corepb.Envelope_ReadRequest:
		s = fmt.Sprintf("ReadRequest round %d", b.ReadRequest.GetRound())
	case *corepb.Envelope_ReadReply:
		s = fmt.Sprintf("ReadReply round %d: index %d, not leader %v", b.ReadReply.GetRound(), b.ReadReply.GetIndex(), b.ReadReply.GetNotLeader())
	case *corepb.Envelope_ApplyNeeds:
		s = fmt.Sprintf("ApplyNeeds from %d", b.ApplyNeeds.GetFrom())
	case *corepb.Envelope_HistoryRequest:
		s = fmt.Sprintf("HistoryRequest after %d", b.HistoryRequest.GetAfter())
	case *corepb.Envelope_History:
		s = fmt.Sprintf("History after %d, %d entries", b.History.GetAfter(), len(b.History.GetEntries())+len(b.History.GetStored()))
	case *corepb.Envelope_TableStateRequest:
		s = fmt.Sprintf("TableStateRequest for %x at %d", b.TableStateRequest.GetTicket(), b.TableStateRequest.GetOffset())
	case *corepb.Envelope_TableState:
		s = fmt.Sprintf("TableState %x at %d, %d bytes of %d", b.TableState.GetTicket(), b.TableState.GetOffset(), len(b.TableState.GetData()), b.TableState.GetTotal())
	case *corepb.Envelope_FailoverTold, *corepb.Envelope_FailoverEntry:
		kind, text, _ := FailoverMessage(&env)
		s = kind + ": " + text
	default:
		s = strings.TrimPrefix(fmt.Sprintf("%T", env.GetBody()), "*corepb.Envelope_")
	}
	if r := env.GetLeaseRound(); r != nil {
		s += fmt.Sprintf(", lease round %d", r.GetRound())
	}
	if p := env.GetLeasePromise(); p != nil {
		s += fmt.Sprintf(", promise %d for %d ms", p.GetRound(), p.GetMillis())
	}
	if k := env.GetKnownCommit(); k != nil {
		s += fmt.Sprintf(", knows %d/%d committed", k.GetIndex(), k.GetTerm())
	}
	return s
}

// others says how many more requests a message is about.
func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n)
}

func first4(b []byte) []byte { return b[:min(4, len(b))] }

func raftMessage(m *pb.Message) string {
	s := fmt.Sprintf("%v term %d", m.GetType(), m.GetTerm())
	switch m.GetType() {
	case pb.MsgApp:
		s += fmt.Sprintf(" after %d/%d, commit %d", m.GetIndex(), m.GetLogTerm(), m.GetCommit())
	case pb.MsgAppResp, pb.MsgVote, pb.MsgPreVote:
		s += fmt.Sprintf(" index %d", m.GetIndex())
		if m.GetLogTerm() != 0 {
			s += fmt.Sprintf("/%d", m.GetLogTerm())
		}
	case pb.MsgHeartbeat:
		s += fmt.Sprintf(" commit %d", m.GetCommit())
	case pb.MsgSnap:
		s += fmt.Sprintf(" at %d/%d", m.GetSnapshot().GetMetadata().GetIndex(), m.GetSnapshot().GetMetadata().GetTerm())
	}
	if n := len(m.GetEntries()); n > 0 {
		s += fmt.Sprintf(", %d entries", n)
	}
	if m.GetReject() {
		s += ", rejected"
		if m.GetRejectHint() != 0 {
			s += fmt.Sprintf(" with hint %d", m.GetRejectHint())
		}
	}
	return s
}

// Outputs is an output, a line for each part of it.
func Outputs(out core.Output) (l []string) {
	add := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	for _, e := range out.Events {
		add("event   %s", e.Text)
	}
	for _, p := range out.Persist {
		add("persist %s", persist(p))
	}
	for _, s := range out.Send {
		add("send    to %s: %s", node(s.To), Message(s.Data))
	}
	for _, a := range out.Apply {
		add("apply   %d/%d: %s", a.Index, a.Term, shown(a.Data))
	}
	for _, r := range out.Reply {
		add("reply   %d: %s at %d/%d %s", r.ID, CodeName(r.Code), r.Index, r.Term, strings.TrimSuffix(r.Text+" "+r.Detail, " "))
	}
	if out.MembersChanged {
		add("members changed")
	}
	for _, text := range Retained(out.Retain) {
		add("%s", text)
	}
	for _, text := range FailedOver(out.Failover) {
		add("%s", text)
	}
	return l
}

// Retained is what package retain ordered, a clause for each; out may be nil.
func Retained(out *retain.Output) (l []string) {
	add := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	if out == nil {
		return nil
	}
	if out.Retain != nil {
		add("retain the log from %d on", *out.Retain)
	}
	for _, r := range out.Read {
		add("read entries %d to %d for %s", r.After+1, r.Last, node(r.For))
	}
	for _, t := range out.Export {
		add("export the database's state as %x", t)
	}
	for _, p := range out.SendPart {
		add("send %s %d bytes at %d of the state %x", node(p.To), p.Size, p.Offset, p.Ticket)
	}
	for _, t := range out.Drop {
		add("drop the state %x", t)
	}
	for _, f := range out.Fetched {
		add("fetched %d: %d entries", f.ID, len(f.Entries))
	}
	for _, p := range out.StatePart {
		add("%d bytes at %d of the state of %s", len(p.Data), p.Offset, node(p.From))
	}
	return l
}

var codeNames = [...]string{"OK", "NotLeader", "Busy", "TooLarge", "Unknown", "NoSuchNode", "Conflict", "LastVoter",
	"QuorumAtRisk", "NotPossible", "RemovedMember", "NoRoom"}

// CodeName is the name of a reply's code in package core.
func CodeName(c core.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", c)
}

func persist(p core.Persist) string {
	s := fmt.Sprintf("batch %d", p.Seq)
	if p.Snapshot != nil {
		s += fmt.Sprintf(", snapshot at %d/%d", p.Snapshot.Index, p.Snapshot.Term)
	}
	if p.Keep > 0 {
		s += fmt.Sprintf(", log kept up to %d", p.Keep)
	}
	if n := len(p.History); n > 0 {
		s += fmt.Sprintf(", history %d/%d to %d/%d", p.History[0].Index, p.History[0].Term, p.History[n-1].Index, p.History[n-1].Term)
	}
	if p.Mark != nil {
		s += fmt.Sprintf(", mark at %d/%d", p.Mark.Index, p.Mark.Term)
	}
	if n := len(p.Entries); n > 0 {
		s += fmt.Sprintf(", entries %d/%d to %d/%d", p.Entries[0].Index, p.Entries[0].Term, p.Entries[n-1].Index, p.Entries[n-1].Term)
	}
	if h := p.HardState; h != nil {
		s += fmt.Sprintf(", term %d vote %d commit %d", h.Term, core.NodeID(h.Vote), h.Commit)
	}
	if p.PromiseMillis > 0 {
		s += fmt.Sprintf(", promises up to %d ms", p.PromiseMillis)
	}
	if p.Version > 0 {
		s += fmt.Sprintf(", for builds that know version %d", p.Version)
	}
	if p.Sync {
		s += ", sync"
	}
	return s
}

// StatusLine is a status in one line.
func StatusLine(s core.Status) string {
	if s.RaftID == 0 {
		return "not started"
	}
	lead := "nobody leads"
	if s.Lead != 0 {
		lead = node(s.Lead) + " leads"
	}
	l := fmt.Sprintf("%s in term %d, %s, commit %d, applied %d, last %d, tick %d", s.Role, s.Term, lead, s.Commit, s.Applied, s.Last, s.Tick)
	if s.LeaseTicks > 0 {
		l += fmt.Sprintf(", lease until tick %d", s.LeaseFrom+s.LeaseTicks)
	}
	return l
}
