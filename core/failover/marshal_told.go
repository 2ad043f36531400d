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
		Stopping: t.Stopping, Timeline: t.Timeline, Sealed: t.Sealed, Replayed: t.Replayed, ReplayDone: t.ReplayDone}
	if c := t.Claim; c != nil {
		m.Claim = &corepb.FailoverTold_Claim{Epoch: c.Epoch, Noted: c.Noted, History: branchesTo(c.History), End: c.End, Record: recordTo(c.Record)}
	}
	for _, x := range t.Announced {
		m.Announced = append(m.Announced, tokenTo(x))
	}
	for _, h := range t.Heard {
		m.Heard = append(m.Heard, &corepb.FailoverTold_Heard{Member: h.Member, Millis: h.Millis})
	}
	return m
}

// ToldFrom reads Told.Message. It shares no memory with m.
func ToldFrom(m *corepb.FailoverTold) Told {
	t := Told{Boot: m.GetBoot(), Applied: m.GetApplied(), Server: m.GetServer(), Untrusted: m.GetUntrusted(), Recovery: m.GetRecovery(),
		Stopping: m.GetStopping(), Timeline: m.GetTimeline(), Sealed: m.GetSealed(), Replayed: m.GetReplayed(), ReplayDone: m.GetReplayDone()}
	if c := m.GetClaim(); c != nil {
		t.Claim = &Claim{Epoch: c.GetEpoch(), Noted: c.GetNoted(), History: branchesFrom(c.GetHistory()), End: c.GetEnd(), Record: recordFrom(c.GetRecord())}
	}
	for _, x := range m.GetAnnounced() {
		t.Announced = append(t.Announced, tokenFrom(x))
	}
	for _, h := range m.GetHeard() {
		t.Heard = append(t.Heard, Heard{h.GetMember(), h.GetMillis()})
	}
	return t
}

// Marshal returns a report as bytes.
func (v *Server) Marshal() []byte {
	m := corepb.FailoverServer{Recovery: v.Recovery, Stopping: v.Stopping, Joined: v.Joined, Untrusted: v.Untrusted, Lacks: v.Lacks,
		Damage: uint32(v.Damage), Address: []byte(v.Address), Priority: v.Priority, Sealed: v.Sealed, History: branchesTo(v.History),
		End: v.End, Noted: v.Noted, JoinedOn: v.JoinedOn, Record: recordTo(v.Record), Replayed: v.Replayed, ReplayDone: v.ReplayDone,
		Streaming: v.Streaming, Follows: tokenTo(v.Follows), Flushed: v.Flushed, Fork: v.Fork,
		Names: &corepb.FailoverServer_Names{Epoch: v.Names.Epoch, Boot: v.Names.Boot, W: v.Names.W, Members: v.Names.Members}}
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
		Damage: Quarantined(m.GetDamage()), Address: string(m.GetAddress()), Priority: m.GetPriority(), Sealed: m.GetSealed(),
		History: branchesFrom(m.GetHistory()), End: m.GetEnd(), Noted: m.GetNoted(), JoinedOn: m.GetJoinedOn(), Record: recordFrom(m.GetRecord()),
		Replayed: m.GetReplayed(), ReplayDone: m.GetReplayDone(), Streaming: m.GetStreaming(), Follows: tokenFrom(m.GetFollows()), Lacks: m.GetLacks(),
		Flushed: m.GetFlushed(), Fork: m.GetFork(), Names: Names{Epoch: n.GetEpoch(), Boot: n.GetBoot(), W: n.GetW(), Members: slices.Clone(n.GetMembers())}}
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
	return &corepb.FailoverRecord{Lsn: r.LSN, Crc: r.CRC}
}

func recordFrom(r *corepb.FailoverRecord) Record { return Record{r.GetLsn(), r.GetCrc()} }
