package transport

import (
	"fmt"
	"strings"
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
		now = now.Add(time.Millisecond)
		if who := fmt.Sprint("member ", i); !l.allow(who, "lost", "x") || l.allow(who, "lost", "x") {
			t.Fatalf("a line about %s was left out, or said twice", who)
		}
	}
	if len(l.last) != maxLogTopics {
		t.Errorf("%d topics", len(l.last))
	}
}

func TestClip(t *testing.T) {
	for text, want := range map[string]string{
		"two\nlines\tand\x1b[31m":               "two lines and [31m",
		strings.Repeat("ä", maxLineBytes):       strings.Repeat("ä", maxLineBytes/2) + "...",
		"x" + strings.Repeat("ä", maxLineBytes): "x" + strings.Repeat("ä", maxLineBytes/2-1) + "...",
	} {
		if got := clip(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
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
