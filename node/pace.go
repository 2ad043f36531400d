package node

import "time"

// A member that was away asks for what it missed, a chunk of the log at a time, each as
// soon as it has stored the one before: as fast as two machines can. Commits would wait
// behind that. So this node gives a member a chunk only after a rest, three times as long
// as the chunk before took, the member's part included. A member that takes its time by
// itself, as one that applies what it gets, waits for nothing.
const (
	restTimes = 3
	// giveInterval is from when on a chunk after another needs no rest.
	giveInterval = 40 * time.Millisecond
)

// pace is when the newest chunk for a member was begun, by Raft id.
type pace map[uint64]time.Time

// rest is for how long who asks now has to wait.
func (p pace) rest(asker uint64, now time.Time) time.Duration {
	took := now.Sub(p[asker])
	for id, began := range p { // of whoever asks no more nothing is remembered
		if now.Sub(began) >= giveInterval {
			delete(p, id)
		}
	}
	rest := time.Duration(0)
	if took < giveInterval {
		rest = max(-took, min(restTimes*took, giveInterval-took)) // -took: the chunk before still rests
	}
	p[asker] = now.Add(rest)
	return rest
}
