package history

import (
	"hash/maphash"

	"github.com/pgraft/pgraft/core"
)

// wire names all messages that look alike: the same bytes on the same way.
type wire struct {
	from, to uint64
	data     uint64
}

// flights are the messages that look alike, as indices in History.Messages.
type flights struct {
	open []int // sent, not yet received, oldest first
	last int   // the newest that was received, None before
}

// link finds the step that sent each received message. Of messages with the
// same bytes the one that was sent last arrives first: a lost heartbeat then
// stays lost, instead of shifting all that come after it.
func (h *History) link(lanes map[uint32]int) {
	seed := maphash.MakeSeed()
	alike := map[wire]*flights{}
	find := func(from, to uint64, data []byte) *flights {
		w := wire{from, to, maphash.Bytes(seed, data)}
		if alike[w] == nil {
			alike[w] = &flights{last: None}
		}
		return alike[w]
	}
	var strays []Message
	for i := range h.Steps {
		s := &h.Steps[i]
		s.Received, s.Sent = None, len(h.Messages)
		if in, ok := s.In.(core.Receive); ok {
			f := find(in.From, s.After.RaftID, in.Data)
			switch n := len(f.open); {
			case n > 0:
				f.last = f.open[n-1]
				f.open = f.open[:n-1]
				h.Messages[f.last].Got = i
				s.Received = f.last
			default:
				m := Message{Envelope: Open(in.Data), From: lanes[core.NodeID(in.From)], To: s.Lane, Sent: None, Got: i}
				if f.last != None {
					m.Sent, m.Again = h.Messages[f.last].Sent, true
				}
				s.Received = -2 - len(strays) // its place is not known yet
				strays = append(strays, m)
			}
		}
		for _, send := range s.Out.Send {
			f := find(s.After.RaftID, send.To, send.Data)
			f.open = append(f.open, len(h.Messages))
			h.Messages = append(h.Messages, Message{Envelope: Open(send.Data), From: s.Lane,
				To: lanes[core.NodeID(send.To)], Sent: i, Got: None})
		}
	}
	for _, m := range strays {
		h.Steps[m.Got].Received = len(h.Messages)
		h.Messages = append(h.Messages, m)
	}
}
