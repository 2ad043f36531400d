package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
)

// operations reads the PGRAFT_OP_* of asking.h: a test cannot use cgo.
func operations(t *testing.T) map[string]uint32 {
	t.Helper()
	b, err := os.ReadFile("asking.h")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint32{}
	for _, m := range regexp.MustCompile(`(?m)^\tPGRAFT_OP_(\w+) = (\d+)`).FindAllStringSubmatch(string(b), -1) {
		n, err := strconv.ParseUint(m[2], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		all[m[1]] = uint32(n)
	}
	if len(all) < 20 {
		t.Fatalf("asking.h has only the operations %v", all)
	}
	return all
}

// An engine that stops answers what may have changed something: its client would not
// know otherwise. All else it leaves to the next engine.
func TestStoppedEngineAnswersWrites(t *testing.T) {
	ops := operations(t)
	for name, answered := range map[string]bool{
		"PROPOSE": true, "REMOVE_NODE": true, "RECOVER": true, "SET_DEBUG": true, "TRACE_SAVE": true,
		"NODES": false, "READ_BARRIER": false, "LOG_ENTRIES": false, "APPLY_NEXT": false, "APPLY_RETAIN": false,
	} {
		b, _ := newBell(t)
		e := newEngine(config{}, newRecords(b), func(*status) {})
		close(e.opened) // without a node
		e.end()
		a := &asked{e: e, q: request{id: 7, op: ops[name]}}
		e.waiting[a.q.id] = a
		a.answer(e.do(t.Context(), a.q))
		if got := len(e.records.queue) > 0; got != answered {
			t.Errorf("%s: answered %v, want %v", name, got, answered)
		}
	}
}

// The status block is written when a node says something new, and never after a panic.
func TestStatusIsWrittenWhenItChanges(t *testing.T) {
	b, _ := newBell(t)
	written := 0
	e := newEngine(config{}, newRecords(b), func(*status) { written++ })
	s := node.Status{State: node.Running}
	for i, c := range []struct {
		change func()
		want   int
	}{
		{func() {}, 1},
		{func() {}, 0},
		{func() { s.LeaseExpiry = 7 }, 1},
		{func() { s.LeaderHost = "10.0.0.1" }, 1},
		{func() { s.Core.Tick++ }, 0}, // backends do not see it
		{func() { s.LeaseExpiry = 0 }, 1},
		{func() { e.broken.Store(true); s.LeaseExpiry = 9 }, 0},
	} {
		written = 0
		c.change()
		e.publishStatus(s)
		if written != c.want {
			t.Errorf("%d: written %d times, want %d", i, written, c.want)
		}
	}
}

// Who waits for the log to grow is woken by what is applied, and by nothing else.
func TestProgressWakes(t *testing.T) {
	var p progress
	woken := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	s := node.Status{State: node.Running}
	p.publish(s)
	a, b := p.next(), p.next()
	p.publish(s)
	if woken(a) || woken(b) {
		t.Error("woken though nothing was applied")
	}
	s.Core.Applied = 1
	p.publish(s)
	if !woken(a) || !woken(b) || woken(p.next()) {
		t.Error("not woken once by an entry that was applied")
	}
	c := p.next()
	p.poke()
	if !woken(c) {
		t.Error("not woken by a poke")
	}
}

// The health check goes by the names that engine.h gives to the worker's states.
func TestWorkerStateNames(t *testing.T) {
	for state, want := range map[node.State]string{node.Running: health.WorkerRunning, node.Waiting: health.WorkerRunning,
		node.Uninitialised: health.WorkerInitializing, node.Failed: "error", node.Removed: "stopped", node.Closed: "stopped"} {
		if got := workerStateName(workerStates[state]); got != want {
			t.Errorf("state %v is named %q, want %q", state, got, want)
		}
	}
}
