package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
)

const (
	// A crowd may say so many lines at once, and one more each crowdLineEvery.
	crowdLines     = 20
	crowdLineEvery = 3 * time.Second
	// maxCrowdTopics bounds the lines that a crowd remembers as said.
	maxCrowdTopics = 64
	// maxCrowdSources bounds the addresses that a crowd counts one by one.
	maxCrowdSources = 1024
	// summaryFrom is how many connections a second are counted in the log even
	// though every line about them was said: more than who looks after a port opens.
	summaryFrom = 10
)

// crowdKey says whose connections share their lines: those of strangers, those
// from members' addresses that have not said who they are, or those as one member
// that were refused. So none of the three drowns another.
type crowdKey struct {
	members bool
	node    uint32
}

// crowd is what is said of connections that came to nothing. How many there are is
// up to others, so the lines have a rate, and what is left out is counted.
type crowd struct {
	said   map[string]said // by text
	tokens int
	filled time.Time // up to when tokens are counted

	since   time.Time // of the first connection counted
	closed  int
	silent  int // lines left out for the rate
	sources map[netip.Addr]int
}

// crowds have their own lock, and none is taken under it.
type crowds struct {
	now  func() time.Time
	wake chan struct{} // 1 slot, for summaryLoop

	mu  sync.Mutex
	all map[crowdKey]*crowd
}

func newCrowds() *crowds {
	return &crowds{now: time.Now, wake: make(chan struct{}, 1), all: map[crowdKey]*crowd{}}
}

// allow counts a connection from a, and says whether text is to be logged.
func (cs *crowds) allow(k crowdKey, a netip.Addr, text string) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := cs.now()
	c := cs.all[k]
	if c == nil {
		c = &crowd{said: map[string]said{}, tokens: crowdLines, filled: now}
		cs.all[k] = c
	}
	if c.closed == 0 {
		c.since, c.sources = now, map[netip.Addr]int{}
		poke(cs.wake)
	}
	c.closed++
	if _, ok := c.sources[a]; ok || len(c.sources) < maxCrowdSources {
		c.sources[a]++
	}
	if s, ok := c.said[text]; ok && now.Sub(s.at) < repeatLogAfter {
		return false
	}
	if n := int(now.Sub(c.filled) / crowdLineEvery); n > 0 {
		c.tokens, c.filled = min(c.tokens+n, crowdLines), c.filled.Add(time.Duration(n)*crowdLineEvery)
	}
	if c.tokens == 0 {
		c.silent++
		return false
	}
	c.tokens--
	remember(c.said, maxCrowdTopics, text, said{text, now})
	return true
}

// summaries are the lines about what was left out, and begin to count anew.
func (cs *crowds) summaries() (lines []string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := cs.now()
	for k, c := range cs.all {
		d := now.Sub(c.since)
		switch {
		case c.closed > 0 && (c.silent > 0 || c.closed >= int(summaryFrom*d.Seconds())):
			lines = append(lines, c.summary(k, d))
		case c.closed == 0 && now.Sub(c.filled) >= repeatLogAfter:
			delete(cs.all, k)
		}
		c.closed, c.silent, c.sources = 0, 0, nil
	}
	slices.Sort(lines)
	return lines
}

func (c *crowd) summary(k crowdKey, d time.Duration) string {
	var most netip.Addr
	for a, n := range c.sources {
		if n > c.sources[most] || n == c.sources[most] && a.Less(most) {
			most = a
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "closed %d connections ", c.closed)
	switch {
	case k.node != 0:
		fmt.Fprintf(&b, "that said that they were node %d", k.node)
	case k.members:
		b.WriteString("from members' addresses that did not say who they were")
	default:
		b.WriteString("of strangers")
	}
	fmt.Fprintf(&b, " in %v, ", d.Round(time.Second))
	switch n := len(c.sources); {
	case n == 1:
		fmt.Fprintf(&b, "all from %s", most)
	case n == maxCrowdSources:
		fmt.Fprintf(&b, "from %d addresses or more, %d of them from %s", n, c.sources[most], most)
	default:
		fmt.Fprintf(&b, "from %d addresses, %d of them from %s", n, c.sources[most], most)
	}
	b.WriteString("; not all of them have a line")
	return b.String()
}

// quiet says that there is nothing to count.
func (cs *crowds) quiet() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.all {
		if c.closed > 0 {
			return false
		}
	}
	return true
}

// summaryLoop logs what the crowds left out, while there is any.
func (t *Transport) summaryLoop() {
	for {
		if t.crowds.quiet() {
			select {
			case <-t.crowds.wake:
			case <-t.ctx.Done():
				return
			}
		}
		select {
		case <-time.After(t.cfg.SummaryAfter):
		case <-t.ctx.Done():
			return
		}
		for _, line := range t.crowds.summaries() {
			t.cfg.Logger.Log(context.Background(), slog.LevelWarn, line)
		}
	}
}

// turnedDown logs that a connection came to nothing, at the rate of its crowd.
func (t *Transport) turnedDown(level slog.Level, k crowdKey, a netip.Addr, text string) {
	if text = clip(text); t.crowds.allow(k, a, text) {
		t.cfg.Logger.Log(context.Background(), level, text)
	}
}

// crowd is whose lines c shares before it has said who it is.
func (c *conn) crowd() crowdKey { return crowdKey{members: c.source.member} }

// saysItIs is whose lines a connection shares that says that it is a node: a
// member's, whose refusal may be an alarm, or those of where it comes from.
func (t *Transport) saysItIs(c *conn, node uint32) crowdKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		if core.NodeID(m.GetRaftId()) == node {
			return crowdKey{node: node}
		}
	}
	return c.crowd()
}
