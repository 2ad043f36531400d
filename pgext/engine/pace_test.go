package main

import (
	"slices"
	"testing"
)

// A quiet engine has one processor, and all of them from what is to be done on.
func TestPace(t *testing.T) {
	var set []int
	p := &pace{most: 4, set: func(n int) { set = append(set, n) }}
	want := func(want ...int) {
		t.Helper()
		if !slices.Equal(set, want) {
			t.Fatalf("set %v, want %v", set, want)
		}
	}
	p.work()
	want(4)
	p.look() // it was used
	want(4)
	for range quietSteps {
		p.stepped(false) // heartbeats
	}
	p.look()
	want(4, 1)
	p.look()
	want(4, 1)
	p.stepped(true)
	p.work()
	want(4, 1, 4)
	p.look()
	p.look()
	want(4, 1, 4, 1)
	for range quietSteps + 1 {
		p.stepped(false) // others' requests
	}
	want(4, 1, 4, 1, 4)
}

// Work that comes while the last look goes on has all processors.
func TestPaceWorkDuringLook(t *testing.T) {
	var p *pace
	procs, during := 0, false
	p = &pace{most: 4, set: func(n int) {
		procs = n
		if n == 1 && !during {
			during = true
			done := make(chan struct{})
			go func() { // waits for look
				p.work()
				close(done)
			}()
			t.Cleanup(func() {
				<-done
				if procs != 4 {
					t.Errorf("%d processors, want 4", procs)
				}
			})
		}
	}}
	p.work()
	p.look()
	p.look()
	if !during {
		t.Error("the engine was never quiet")
	}
}
