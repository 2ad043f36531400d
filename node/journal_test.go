package node_test

import (
	"bytes"
	"sync"

	"github.com/pgraft/pgraft/node"
)

// journal remembers what a member published: the last status, and every change
// of its claim to lead.
type journal struct {
	mu     sync.Mutex
	last   node.Status
	claims []claim
	frozen bool
}

// claim says that from at on, the lease was said to end at expiry.
type claim struct{ at, expiry int64 }

func (j *journal) add(s node.Status) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.frozen {
		return
	}
	j.last = s
	if n := len(j.claims); n == 0 || j.claims[n-1].expiry != s.LeaseExpiry {
		j.claims = append(j.claims, claim{bootNanos(), s.LeaseExpiry})
	}
}

func (j *journal) status() node.Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// freeze makes what was published last stay, as that of a process that is
// killed does.
func (j *journal) freeze(on bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.frozen = on
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
