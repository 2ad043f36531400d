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
	type stray struct {
		Message
		at int // index in Received of the step that got it
	}
	var strays []stray
	for i := range h.Steps {
		s := &h.Steps[i]
		s.Received, s.Sent = nil, len(h.Messages)
		for in := range core.Each(s.In) {
			in, ok := in.(core.Receive)
			if !ok {
				continue
			}
			f := find(in.From, s.After.RaftID, in.Data)
			if n := len(f.open); n > 0 {
				f.last = f.open[n-1]
				f.open = f.open[:n-1]
				h.Messages[f.last].Got = i
				s.Received = append(s.Received, f.last)
				continue
			}
			m := Message{Envelope: Open(in.Data), From: lanes[core.NodeID(in.From)], To: s.Lane, Sent: None, Got: i}
			if f.last != None {
				m.Sent, m.Again = h.Messages[f.last].Sent, true
			}
			strays = append(strays, stray{m, len(s.Received)})
			s.Received = append(s.Received, None) // its place is not known yet
		}
		for _, send := range s.Out.Send {
			f := find(s.After.RaftID, send.To, send.Data)
			f.open = append(f.open, len(h.Messages))
			h.Messages = append(h.Messages, Message{Envelope: Open(send.Data), From: s.Lane,
				To: lanes[core.NodeID(send.To)], Sent: i, Got: None})
		}
	}
	for _, m := range strays {
		h.Steps[m.Got].Received[m.at] = len(h.Messages)
		h.Messages = append(h.Messages, m.Message)
	}
}
