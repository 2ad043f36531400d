package transport

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// SetOldest says which version a member must know: the cluster's. Connections of
// builds that do not know it end, and none comes about any more. Who is greeted is
// refused by the Handler; this is for those that were greeted before.
func (t *Transport) SetOldest(version uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oldest = version
	for _, p := range t.peers {
		for _, c := range []*conn{p.out, p.in} {
			if c == nil {
				continue
			}
			if err := t.tooOld(c); err != nil {
				p.alarm.raise(core.TooOld, time.Now(), &t.cfg)
				c.close(err)
			}
		}
	}
}

// agree notes what the other end of c speaks, and the newest version that both know.
func (c *conn) agree(theirs, ours core.Range) {
	c.speaks, c.version = theirs, ours.Agree(theirs)
}

// tooOld refuses a connection of a build that does not know the cluster's version, or
// none of ours. Under t.mu.
func (t *Transport) tooOld(c *conn) error {
	if c.version != 0 && c.speaks.Newest >= t.oldest {
		return nil
	}
	return &suspectError{core.TooOld, fmt.Sprintf("it knows versions up to %d, the cluster is at version %d: install a newer pgraft there",
		c.speaks.Newest, t.oldest)}
}
