package transport

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// repeatLogAfter is how long a line that says the same as the last of its
	// kind is kept out of the log.
	repeatLogAfter = 5 * time.Minute
	// maxLogTopics bounds what a logLimit remembers; the oldest is forgotten.
	maxLogTopics = 1024
	// maxLineBytes bounds a line, since others have a say in it.
	maxLineBytes = 1024
)

// topic is what a log line is about: a peer and a kind of event. What is about
// strangers, of whom there may be any number, is a crowd's.
type topic struct{ who, kind string }

// clip is text as one line of bounded length.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxLineBytes {
		text = strings.ToValidUTF8(text[:maxLineBytes], "") + "..."
	}
	return text
}

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
	remember(l.last, maxLogTopics, k, said{text, now})
	return true
}

// remember puts s into last, which holds at most limit: the oldest goes.
func remember[K comparable](last map[K]said, limit int, k K, s said) {
	if _, ok := last[k]; !ok && len(last) >= limit {
		var oldest K
		for o, s := range last {
			if at := last[oldest].at; at.IsZero() || s.at.Before(at) {
				oldest = o
			}
		}
		delete(last, oldest)
	}
	last[k] = s
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
