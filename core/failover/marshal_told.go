package failover

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// What is told of servers, as protobuf messages: in messages between members, and in
// recorded inputs.

// Message returns what is told as a message.
func (t *Told) Message() *corepb.FailoverTold {
	m := &corepb.FailoverTold{Boot: t.Boot, Applied: t.Applied, Server: t.Server, Untrusted: t.Untrusted, Recovery: t.Recovery,
		Stopping: t.Stopping, Timeline: t.Timeline, Sealed: t.Sealed, Replayed: t.Replayed, ReplayDone: t.ReplayDone, Leaves: t.Leaves, End: t.End, Flushed: t.Flushed}
	if c := t.Claim; c != nil {
		m.Claim = &corepb.FailoverTold_Claim{Epoch: c.Epoch, Noted: c.Noted, History: branchesTo(c.History), End: c.End, Record: recordTo(c.Record)}
	}
	m.Joins, m.Checkpoint = t.Joins, t.Checkpoint
	m.Ended, m.Led, m.Boots = t.Ended, t.Led, t.Boots
	for _, x := range t.Announced {
		m.Announced = append(m.Announced, tokenTo(x))
	}
	for _, x := range t.Denied {
		m.Denied = append(m.Denied, tokenTo(x))
	}
	for _, x := range t.Unproven {
		m.Unproven = append(m.Unproven, tokenTo(x))
	}
	for _, h := range t.Heard {
		m.Heard = append(m.Heard, &corepb.FailoverTold_Heard{Member: h.Member, Millis: h.Millis})
	}
	return m
}

// ToldFrom reads Told.Message. It shares no memory with m.
func ToldFrom(m *corepb.FailoverTold) Told {
	t := Told{Boot: m.GetBoot(), Applied: m.GetApplied(), Server: m.GetServer(), Untrusted: m.GetUntrusted(), Recovery: m.GetRecovery(),
		Stopping: m.GetStopping(), Timeline: m.GetTimeline(), Sealed: m.GetSealed(), Replayed: m.GetReplayed(), ReplayDone: m.GetReplayDone(), Leaves: m.GetLeaves(), End: m.GetEnd(), Flushed: m.GetFlushed()}
	if c := m.GetClaim(); c != nil {
		t.Claim = &Claim{Epoch: c.GetEpoch(), Noted: c.GetNoted(), History: branchesFrom(c.GetHistory()), End: c.GetEnd(), Record: recordFrom(c.GetRecord())}
	}
	t.Joins, t.Checkpoint = m.GetJoins(), m.GetCheckpoint()
	t.Ended, t.Led, t.Boots = m.GetEnded(), m.GetLed(), m.GetBoots()
	for _, x := range m.GetAnnounced() {
		t.Announced = append(t.Announced, tokenFrom(x))
	}
	for _, x := range m.GetDenied() {
		t.Denied = append(t.Denied, tokenFrom(x))
	}
	for _, x := range m.GetUnproven() {
		t.Unproven = append(t.Unproven, tokenFrom(x))
	}
	for _, h := range m.GetHeard() {
		t.Heard = append(t.Heard, Heard{h.GetMember(), h.GetMillis()})
	}
	return t
}

// Marshal returns a report as bytes.
func (v *Server) Marshal() []byte {
	m := corepb.FailoverServer{Recovery: v.Recovery, Stopping: v.Stopping, Joined: v.Joined, Untrusted: v.Untrusted, OnlyClone: v.OnlyClone, OneNote: v.OneNote, Wrote: v.Wrote, Lacks: v.Lacks,
		Damage: uint32(v.Damage), Address: []byte(v.Address), Priority: v.Priority, Sealed: v.Sealed, History: branchesTo(v.History),
		End: v.End, Noted: v.Noted, JoinedOn: v.JoinedOn, Record: recordTo(v.Record), Replayed: v.Replayed, ReplayDone: v.ReplayDone,
		Streaming: v.Streaming, Follows: tokenTo(v.Follows), Flushed: v.Flushed, Fork: v.Fork, Decision: v.Decision,
		Names: &corepb.FailoverServer_Names{Epoch: v.Names.Epoch, Boot: v.Names.Boot, W: v.Names.W, Members: v.Names.Members, Number: v.Names.Number}}
	m.Quiet, m.Checkpoint, m.Ended, m.Founded, m.Boots = v.Quiet, v.Checkpoint, v.Ended, v.Founded, v.Boots
	for _, t := range v.Names.Tokens {
		m.Names.Tokens = append(m.Names.Tokens, tokenTo(t))
	}
	for _, x := range v.Senders {
		m.Senders = append(m.Senders, &corepb.FailoverServer_Sender{Token: tokenTo(x.Token), Flushed: x.Flushed})
	}
	return marshal(&m)
}

// UnmarshalServer reads Server.Marshal.
func UnmarshalServer(b []byte) (Server, error) {
	var m corepb.FailoverServer
	if proto.Unmarshal(b, &m) != nil {
		return Server{}, fmt.Errorf("failover: not a server's report: %d bytes", len(b))
	}
	return ServerFrom(&m)
}

// ServerFrom reads a report that is a message already. It shares no memory with m.
func ServerFrom(m *corepb.FailoverServer) (Server, error) {
	if m.GetDamage() >= uint32(quarantines) {
		return Server{}, fmt.Errorf("failover: a server's report with damage %d", m.GetDamage())
	}
	n := m.GetNames()
	v := Server{Recovery: m.GetRecovery(), Stopping: m.GetStopping(), Joined: m.GetJoined(), Untrusted: m.GetUntrusted(),
		OnlyClone: m.GetOnlyClone(), OneNote: m.GetOneNote(), Wrote: m.GetWrote(), Damage: Quarantined(m.GetDamage()), Address: string(m.GetAddress()), Priority: m.GetPriority(), Sealed: m.GetSealed(),
		History: branchesFrom(m.GetHistory()), End: m.GetEnd(), Noted: m.GetNoted(), JoinedOn: m.GetJoinedOn(), Record: recordFrom(m.GetRecord()),
		Replayed: m.GetReplayed(), ReplayDone: m.GetReplayDone(), Streaming: m.GetStreaming(), Follows: tokenFrom(m.GetFollows()), Lacks: m.GetLacks(),
		Flushed: m.GetFlushed(), Fork: m.GetFork(), Decision: m.GetDecision(), Names: Names{Epoch: n.GetEpoch(), Boot: n.GetBoot(), W: n.GetW(), Members: slices.Clone(n.GetMembers()), Number: n.GetNumber()}}
	v.Quiet, v.Checkpoint, v.Ended, v.Founded, v.Boots = m.GetQuiet(), m.GetCheckpoint(), m.GetEnded(), m.GetFounded(), m.GetBoots()
	for _, t := range n.GetTokens() {
		v.Names.Tokens = append(v.Names.Tokens, tokenFrom(t))
	}
	for _, x := range m.GetSenders() {
		v.Senders = append(v.Senders, Sender{tokenFrom(x.GetToken()), x.GetFlushed()})
	}
	return v, nil
}

func tokenTo(t Token) *corepb.FailoverToken {
	return &corepb.FailoverToken{Epoch: t.Epoch, Boot: t.Boot, Member: t.Member, Follow: t.Follow}
}

func tokenFrom(t *corepb.FailoverToken) Token {
	return Token{t.GetEpoch(), t.GetBoot(), t.GetMember(), t.GetFollow()}
}

func recordTo(r Record) *corepb.FailoverRecord {
	return &corepb.FailoverRecord{Lsn: r.LSN, Crc: r.CRC, From: r.From, Sum: r.Sum}
}

func recordFrom(r *corepb.FailoverRecord) Record {
	return Record{r.GetLsn(), r.GetCrc(), r.GetFrom(), r.GetSum()}
}
