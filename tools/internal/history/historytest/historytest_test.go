package historytest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/history"
)

func summary(h *history.History) string {
	lost, strays, again := 0, 0, 0
	for _, m := range h.Messages {
		switch {
		case m.Again:
			again++
		case m.Sent == history.None:
			strays++
		case m.Got == history.None:
			lost++
		}
	}
	s := fmt.Sprintf("%d nodes, %d steps, %d messages, %d lost, %d again, %d without a sender\n",
		len(h.Nodes), len(h.Steps), len(h.Messages), lost, again, strays)
	for _, m := range h.Moments {
		s += fmt.Sprintf("%v lane %d %v: %s\n", m.At.Truncate(time.Millisecond), m.Lane, m.Kind, m.Text)
	}
	return s
}

func TestSameOptionsSameHistory(t *testing.T) {
	a, err := Incident()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Incident()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs differ:\n%s\n%s", summary(a), summary(b))
	}
	t.Log(summary(a))
}

func TestLarge(t *testing.T) {
	h, err := Large()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(h.Steps); n < 100_000 || len(h.Nodes) != 5 {
		t.Errorf("%d steps of %d nodes: want 100,000 of 5", n, len(h.Nodes))
	}
	t.Log(summary(h))
}

// The servers of Failover go through everything that a server can be, but quarantined,
// and the same options give the same history.
func TestFailover(t *testing.T) {
	a, err := Failover()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Failover()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs differ:\n%s\n%s", summary(a), summary(b))
	}
	went := make([][]string, len(a.Nodes))
	for i := range a.Steps {
		s := &a.Steps[i]
		is, l := s.Failover.ServerState(s.After).String(), &went[s.Lane]
		if n := len(*l); n == 0 || (*l)[n-1] != is {
			*l = append(*l, is)
		}
	}
	for lane, want := range []string{
		"unknown opening primary unknown standby rejoining standby following sealed standby following",
		"unknown standby following sealed promoting opening primary fenced standby rejoining standby following",
		"unknown standby following sealed standby following sealed promoting opening primary",
	} {
		if got := strings.Join(went[lane], " "); got != want {
			t.Errorf("node %d: %s, want %s", lane+1, got, want)
		}
	}
}
