package transport

import (
	"fmt"
	"testing"
	"time"
)

func TestLogLimit(t *testing.T) {
	l := newLogLimit()
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	for i, x := range []struct {
		who, kind, text string
		after           time.Duration
		want            bool
	}{
		{"node 1", "dial", "refused", 0, true},
		{"node 1", "dial", "refused", time.Second, false},
		{"node 1", "dial", "timeout", 0, true}, // it changed
		{"node 1", "dial", "refused", 0, true},
		{"node 2", "dial", "refused", 0, true}, // another peer
		{"node 1", "lost", "refused", 0, true}, // another kind
		{"node 1", "dial", "refused", repeatLogAfter - 1, false},
		{"node 1", "dial", "refused", 1, true}, // it was time
	} {
		now = now.Add(x.after)
		if got := l.allow(x.who, x.kind, x.text); got != x.want {
			t.Errorf("line %d: %v", i, got)
		}
	}
	l.forget("node 1")
	if !l.allow("node 1", "dial", "refused") || l.allow("node 2", "dial", "refused") != true {
		t.Error("after forget") // node 2's last line is repeatLogAfter old by now
	}
	for i := range 2 * maxLogTopics {
		l.allow(fmt.Sprint("stranger ", i), "admit", "x")
	}
	if len(l.last) != maxLogTopics || l.allow("one more", "admit", "x") {
		t.Errorf("%d topics", len(l.last))
	}
	now = now.Add(repeatLogAfter)
	if !l.allow("one more", "admit", "x") || len(l.last) != 1 {
		t.Errorf("%d topics after a while", len(l.last))
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 50 * time.Millisecond, max: 2 * time.Second}
	for range 2 {
		for _, full := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
			full *= time.Millisecond
			if d := b.delay(); d < full/2 || d > full {
				t.Errorf("%v is not in %v..%v", d, full/2, full)
			}
		}
		b.reset()
	}
}
