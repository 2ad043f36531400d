package postgres

import (
	"slices"
	"time"
)

type senderState uint8

const (
	senderStarts senderState = iota
	senderCatchesUp
	senderStreams
)

// sender is a walsender: one for each replication connection.
type sender struct {
	line
	state senderState
	name  string // application_name
	slot  string
	tli   TLI
	ends  bool // this server has left that timeline, at upTo; then is what followed
	upTo  LSN
	then  TLI
	over  bool // all of it is sent
	sent  LSN
	// What the standby told last: LSNs, nothing says of which timeline.
	write, flush, apply LSN
	replied             bool
	names               Names // synchronous_standby_names as this process has read it last
	cascades            bool  // it began in recovery: it is never counted
	heard               time.Duration
	asked               bool
}

// priority says whether the standby is one that is counted (SyncRepGetStandbyPriority).
func (x *sender) priority() bool { return !x.cascades && x.names.has(x.name) }

// accept takes a connection of a walreceiver.
func (s *Server) accept(m Message) {
	x := &sender{line: line{conn: m.Conn, to: m.From, in: m.Seq}, name: m.Name, names: s.disk.names, heard: s.env.Now()}
	if !s.Reads() || s.Hooks.Replicate != nil && !s.Hooks.Replicate(m.From, m.Name) {
		x.send(s, Message{Kind: MsgError, Error: "the database system is starting up, or shutting down, or does not let it in"})
		return
	}
	s.senders = append(s.senders, x)
	_, tli := s.flushPos()
	x.send(s, Message{Kind: MsgIdentity, TLI: tli})
	s.senderTicks(x)
}

// senderTicks is wal_sender_timeout.
func (s *Server) senderTicks(x *sender) {
	s.after(s.cfg.SenderTimeout/2, func() {
		if !slices.Contains(s.senders, x) {
			return
		}
		if s.env.Now()-x.heard >= s.cfg.SenderTimeout {
			s.drop(x)
			return
		}
		if x.state != senderStarts && !x.asked {
			x.asked = true
			x.send(s, Message{Kind: MsgKeepalive, Asks: true})
		}
		s.senderTicks(x)
	})
}

// drop ends a walsender.
func (s *Server) drop(x *sender) {
	x.reset(s)
	s.senders = slices.DeleteFunc(s.senders, func(o *sender) bool { return o == x })
	if l := s.disk.slot(x.slot); l != nil && l.conn == x.conn {
		l.conn = 0
	}
	s.drained()
}

func (s *Server) refuse(x *sender, why string) {
	x.send(s, Message{Kind: MsgError, Error: why})
	s.drop(x)
}

// answer is a message of a standby's.
func (s *Server) answer(x *sender, m Message) {
	switch m.Kind {
	case MsgWantHistory:
		h := s.disk.wal.history(m.TLI)
		if h == nil {
			s.refuse(x, "could not open the history file")
			return
		}
		x.send(s, Message{Kind: MsgHistory, TLI: m.TLI, Lines: h.Lines})
	case MsgStart:
		s.startReplication(x, m)
	case MsgReply:
		x.write, x.flush, x.apply, x.replied = m.Write, m.Flush, m.Apply, true
		if l := s.disk.slot(x.slot); l != nil {
			l.restart = m.Flush
		}
		s.releaseWaiters(x)
		s.pump(x)
		s.drained()
	default:
		s.drop(x)
	}
}

// startReplication checks no more than that this server did not leave the timeline
// before the start, which is a segment's (walsender.c: StartReplication, "quite loose on
// purpose").
func (s *Server) startReplication(x *sender, m Message) {
	pos, tli := s.flushPos()
	x.tli = m.TLI
	if m.TLI != tli && !s.leaves(x, tli) {
		s.refuse(x, "requested timeline is not in this server's history")
		return
	}
	switch {
	case x.ends && x.upTo < m.Start:
		s.refuse(x, "requested starting point is not in this server's history")
		return
	case !x.ends && pos < m.Start:
		s.refuse(x, "requested starting point is ahead of the WAL flush position of this server")
		return
	}
	if m.Slot != "" {
		l := s.disk.slot(m.Slot)
		if l == nil || l.conn != 0 {
			s.refuse(x, "replication slot does not exist, or is active")
			return
		}
		x.slot, l.conn = m.Slot, x.conn
	}
	x.sent, x.state, x.names, x.cascades = m.Start, senderCatchesUp, s.disk.names, !s.wal.on
	x.send(s, Message{Kind: MsgStarted, Start: m.Start})
	s.pump(x)
}

// leaves notes where this server's history leaves the timeline that is sent; false: it
// was never on it.
func (s *Server) leaves(x *sender, now TLI) bool {
	own, next, ok := spanOf(s.disk.wal.spans(now), x.tli)
	if ok {
		x.ends, x.upTo, x.then = true, own.end, next
	}
	return ok
}

func (s *Server) pumpAll() {
	for _, x := range slices.Clone(s.senders) {
		s.pump(x)
	}
}

// pump sends what is flushed here and not sent.
func (s *Server) pump(x *sender) {
	if x.state == senderStarts || x.over {
		return
	}
	upto, tli := s.flushPos()
	if !x.ends && tli != x.tli && !s.leaves(x, tli) {
		s.drop(x)
		return
	}
	if x.ends {
		upto = x.upTo
	}
	for x.sent < upto {
		if int(x.out-x.acked)*s.cfg.MaxSend >= s.cfg.Window {
			return
		}
		end := min(upto, x.sent+LSN(s.cfg.MaxSend))
		if end < upto {
			end -= end % PageBytes
		}
		// A segment in which the timeline ends is read from the next one's file
		// (WalSndSegmentOpen).
		of := x.tli
		if x.ends && x.sent.segment() == x.upTo.segment() {
			of = x.then
		}
		end = min(end, x.sent.segmentEnd())
		parts, ok := s.disk.wal.between(of, x.sent, end)
		if !ok {
			s.refuse(x, "requested WAL segment has already been removed")
			return
		}
		x.send(s, Message{Kind: MsgData, TLI: x.tli, Start: x.sent, parts: parts})
		x.sent = end
	}
	x.state = senderStreams
	if x.ends {
		x.over = true
		x.send(s, Message{Kind: MsgEndOfTimeline, TLI: x.then, Start: x.upTo})
	}
}
