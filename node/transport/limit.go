package transport

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// repeatLogAfter is how long a line that says the same as the last of its
	// kind is kept out of the log.
	repeatLogAfter = 5 * time.Minute
	// maxLogTopics bounds what a logLimit remembers; while it is full, lines on
	// new topics are left out.
	maxLogTopics = 1024
)

// topic is what a log line is about: a peer (or a stranger's address) and a
// kind of event.
type topic struct{ who, kind string }

// logLimit lets a line through when it is the first on its topic, differs from
// the last one, or repeatLogAfter has passed.
type logLimit struct {
	now func() time.Time

	mu   sync.Mutex
	last map[topic]said
}

type said struct {
	text string
	at   time.Time
}

func newLogLimit() *logLimit {
	return &logLimit{now: time.Now, last: map[topic]said{}}
}

func (l *logLimit) allow(who, kind, text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, k := l.now(), topic{who, kind}
	if s, ok := l.last[k]; ok && s.text == text && now.Sub(s.at) < repeatLogAfter {
		return false
	}
	if _, ok := l.last[k]; !ok && len(l.last) >= maxLogTopics {
		for k, s := range l.last {
			if now.Sub(s.at) >= repeatLogAfter {
				delete(l.last, k)
			}
		}
		if len(l.last) >= maxLogTopics {
			return false
		}
	}
	l.last[k] = said{text, now}
	return true
}

// forget makes the next line about who pass, for a peer that was well since.
func (l *logLimit) forget(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.last {
		if k.who == who {
			delete(l.last, k)
		}
	}
}

// backoff is a jittered exponential delay: the n-th is between half and all of
// min * 2^n, at most max.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

func (b *backoff) delay() time.Duration {
	d := max(b.next, b.min)
	b.next = min(2*d, b.max)
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.next = 0 }
