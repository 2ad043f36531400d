package postgres

import "time"

type receiverState uint8

const (
	receiverOff receiverState = iota
	receiverConnects
	receiverStreams
	receiverEnded // the primary has no more of this timeline
)

// receiver is a standby's walreceiver, and what it leaves in shared memory.
type receiver struct {
	line
	state   receiverState
	slot    string
	tli     TLI // that it streams
	from    LSN // where: a segment's start
	primary TLI // the primary's timeline
	asks    TLI // the history file that it waits for
	write   LSN // what it tells as written and flushed (LogstreamResult)
	flush   LSN
	syncing bool
	heard   time.Duration
	told    time.Duration // its last reply

	upTo  LSN // flushedUpto: in shared memory, kept from one walreceiver to the next
	tliOf TLI // receivedTLI
}

func (r *receiver) streaming() bool {
	return r.state == receiverConnects || r.state == receiverStreams
}

// receive starts a walreceiver at a segment's start (walreceiverfuncs.c:
// RequestXLogStreaming).
func (s *Server) receive(tli TLI, from LSN, c Conninfo) {
	r := &s.receiver
	if r.upTo == 0 || r.tliOf != tli {
		r.upTo, r.tliOf = from, tli
	}
	now := s.env.Now()
	s.conns++
	*r = receiver{state: receiverConnects, tli: tli, from: from, slot: c.Slot, upTo: r.upTo, tliOf: r.tliOf, heard: now, told: now,
		line: line{conn: uint64(s.id)<<32 | uint64(s.conns), to: c.Primary}}
	r.send(s, Message{Kind: MsgConnect, Name: c.Name})
	s.signalPostmaster()
	s.receiverTicks(r.conn)
}

// receiverTicks looks now and then whether the primary is still there, and tells it that
// this one is.
func (s *Server) receiverTicks(conn uint64) {
	s.after(min(s.cfg.StatusInterval, s.cfg.ReceiverTimeout/2), func() {
		r := &s.receiver
		if r.conn != conn || r.state == receiverOff {
			return
		}
		if s.env.Now()-r.heard >= s.cfg.ReceiverTimeout {
			s.receiverDies()
			return
		}
		if r.state == receiverStreams {
			s.reply()
		}
		s.receiverTicks(conn)
	})
}

// received is a message of the primary's.
func (s *Server) received(m Message) {
	r := &s.receiver
	switch m.Kind {
	case MsgIdentity:
		if m.TLI < r.tli {
			s.receiverDies() // the primary is behind recovery's timeline
			return
		}
		r.primary, r.asks = m.TLI, r.tli
		s.fetchHistories()
	case MsgHistory:
		s.disk.wal.writeHistory(History{TLI: m.TLI, Lines: m.Lines})
		s.fetchHistories()
	case MsgStarted:
		// What it tells as flushed is what is replayed here, whose WAL that ever is
		// (walreceiver.c: LogstreamResult.Flush = GetXLogReplayRecPtr).
		r.state = receiverStreams
		r.write, r.flush = s.startup.next, s.startup.next
		s.reply()
	case MsgData:
		s.write(m)
	case MsgEndOfTimeline:
		s.flushReceived(len(s.disk.unsynced))
		r.state = receiverEnded
		s.wake()
	case MsgStreamEnd:
		s.flushReceived(len(s.disk.unsynced))
		if s.Hooks.StreamEnded != nil {
			s.Hooks.StreamEnded()
		}
		s.receiverDies()
	case MsgKeepalive:
		if m.Asks && r.state == receiverStreams {
			s.reply()
		}
	default:
		if m.Kind == MsgError && s.Hooks.Refused != nil {
			s.Hooks.Refused(m.Error)
		}
		s.receiverDies()
	}
}

// fetchHistories asks for the history files from this timeline's to the primary's, one
// after the other, upwards; then for the WAL (WalRcvFetchTimeLineHistoryFiles).
func (s *Server) fetchHistories() {
	r := &s.receiver
	for ; r.asks <= r.primary; r.asks++ {
		if r.asks > 1 && s.disk.wal.history(r.asks) == nil {
			r.send(s, Message{Kind: MsgWantHistory, TLI: r.asks})
			return
		}
	}
	r.send(s, Message{Kind: MsgStart, TLI: r.tli, Start: r.from, Slot: r.slot})
}

// write takes WAL. It is in the files once it is flushed, as readers here only look at
// what is.
func (s *Server) write(m Message) {
	r := &s.receiver
	for _, p := range m.parts {
		s.disk.unsynced = append(s.disk.unsynced, write{r.tli, p})
		r.write = p.to
	}
	if r.write <= r.flush {
		// Bytes before the replay position are written over without a flush.
		s.disk.sync(len(s.disk.unsynced))
		s.reply()
		return
	}
	s.syncReceived()
}

func (s *Server) syncReceived() {
	r := &s.receiver
	if r.syncing {
		return
	}
	r.syncing = true
	n, conn := len(s.disk.unsynced), r.conn
	s.after(s.drawn(s.cfg.Sync), func() {
		if r.conn != conn || !r.syncing {
			return
		}
		r.syncing = false
		s.flushReceived(n)
		s.reply()
		if len(s.disk.unsynced) > 0 {
			s.syncReceived()
		}
	})
}

// flushReceived makes the first n writes durable and visible to the startup process.
func (s *Server) flushReceived(n int) {
	r := &s.receiver
	if n = min(n, len(s.disk.unsynced)); n == 0 {
		return
	}
	end := s.disk.unsynced[n-1].part.to
	s.disk.sync(n)
	if end > r.flush {
		r.flush = end
		if r.upTo < end || r.tliOf != r.tli {
			r.upTo, r.tliOf = end, r.tli
		}
		s.wake()
		s.pumpAll()
	}
}

func (s *Server) reply() {
	r := &s.receiver
	r.told = s.env.Now()
	r.send(s, Message{Kind: MsgReply, Write: r.write, Flush: r.flush, Apply: s.startup.next})
}

// receiverDies ends the walreceiver and tells the startup process.
func (s *Server) receiverDies() {
	s.endReceiver()
	s.wake()
}

// endReceiver ends the walreceiver; what it has is flushed first (WalRcvDie).
func (s *Server) endReceiver() {
	r := &s.receiver
	if r.state == receiverOff {
		return
	}
	s.flushReceived(len(s.disk.unsynced))
	r.reset(s)
	*r = receiver{upTo: r.upTo, tliOf: r.tliOf}
}
