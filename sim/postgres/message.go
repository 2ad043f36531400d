package postgres

// MessageKind is what a message of a replication connection says.
type MessageKind uint8

const (
	// From the walreceiver.
	MsgConnect MessageKind = iota + 1
	MsgWantHistory
	MsgStart
	MsgReply
	// From the walsender.
	MsgIdentity
	MsgHistory
	MsgStarted
	MsgData
	MsgEndOfTimeline
	MsgKeepalive
	MsgError
	// From the kernel of either: no such connection, any more.
	MsgReset
	// From the walsender: this server stops, and all of its WAL was sent and flushed.
	MsgStreamEnd
)

// Message is one on a replication connection. Which fields count depends on Kind.
type Message struct {
	From, To int
	Conn     uint64 // unique among all connections ever
	Seq      uint32 // counts the connection's messages of one direction
	Ack      uint32 // the last one of the other direction that was read
	Kind     MessageKind
	Asks     bool // Keepalive: answer at once
	TLI      TLI
	Start    LSN // MsgStart, MsgStarted, MsgData: where the bytes begin
	Flush    LSN // MsgReply
	Write    LSN
	Apply    LSN
	Name     string // application_name
	Slot     string
	Error    string
	Lines    []Left // MsgHistory
	parts    []part
}

// Bytes is about what the message takes on a wire.
func (m *Message) Bytes() int {
	n := 64 + len(m.Name) + len(m.Slot) + len(m.Error) + 16*len(m.Lines)
	for _, p := range m.parts {
		n += int(p.to - p.from)
	}
	return n
}

// FillsSegment says that the message is WAL up to a segment's end, with half a record there.
func (m *Message) FillsSegment() bool {
	n := len(m.parts)
	return n > 0 && m.parts[n-1].to == m.parts[n-1].to.segmentStart() && m.parts[n-1].to < m.parts[n-1].rec.End()
}

// Deliver is the arrival of a message. A server that is Down answers with a reset; one
// that is frozen reads it when it goes on.
func (s *Server) Deliver(m Message) {
	if s.phase == Down {
		if m.Kind != MsgReset {
			s.env.Send(Message{From: s.id, To: m.From, Conn: m.Conn, Kind: MsgReset})
		}
		return
	}
	if s.frozen {
		late, life := m, s.life
		s.deferred = append(s.deferred, func() { s.run(life, func() { s.read(late) }) })
		return
	}
	s.read(m)
}

func (s *Server) read(m Message) {
	if r := &s.receiver; r.state != receiverOff && r.conn == m.Conn && r.to == m.From {
		if !r.line.next(m) {
			s.receiverDies()
			return
		}
		r.heard = s.env.Now()
		s.received(m)
		return
	}
	for _, x := range s.senders {
		if x.conn != m.Conn || x.to != m.From {
			continue
		}
		if !x.next(m) {
			s.drop(x)
			return
		}
		x.heard, x.asked = s.env.Now(), false
		s.answer(x, m)
		return
	}
	switch m.Kind {
	case MsgReset:
	case MsgConnect:
		s.accept(m)
	default:
		s.env.Send(Message{From: s.id, To: m.From, Conn: m.Conn, Kind: MsgReset})
	}
}

// line is one end of a connection.
type line struct {
	conn    uint64
	to      int
	in, out uint32 // messages read, and sent
	acked   uint32 // of those sent, read by the other end
}

// next says whether a message is the next one: if not, one was lost, and the connection
// is over.
func (l *line) next(m Message) bool {
	if m.Kind == MsgReset || m.Seq != l.in+1 {
		return false
	}
	l.in = m.Seq
	l.acked = max(l.acked, m.Ack)
	return true
}

func (l *line) send(s *Server, m Message) {
	l.out++
	m.From, m.To, m.Conn, m.Seq, m.Ack = s.id, l.to, l.conn, l.out, l.in
	s.env.Send(m)
}

func (l *line) reset(s *Server) {
	s.env.Send(Message{From: s.id, To: l.to, Conn: l.conn, Kind: MsgReset})
}
