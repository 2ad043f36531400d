package node

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// One at a time owns what an inbox is for, also where ownership is passed on; nothing
// that was taken in is lost, and what one goroutine puts in stays in order.
func TestInboxHasOneOwner(t *testing.T) {
	const producers, each = 8, 2000
	type item struct{ from, n int }
	b := newInbox()
	seen := map[int]int{} // the owner's: the race detector looks
	own := func(rounds int) {
		for ; rounds != 0; rounds-- {
			items := b.take()
			if items == nil {
				return
			}
			for _, x := range items {
				i := x.(item)
				if seen[i.from] != i.n {
					t.Errorf("item %d of %d comes after %d", i.n, i.from, seen[i.from]-1)
				}
				seen[i.from] = i.n + 1
			}
			clear(items)
		}
		if !b.idle() {
			b.pass()
		}
	}
	var worker, all sync.WaitGroup
	quit := make(chan struct{})
	worker.Go(func() {
		for {
			select {
			case <-b.wake:
			case <-quit:
			}
			if b.accept() {
				own(-1)
			}
			select {
			case <-quit:
				return
			default:
			}
		}
	})
	for p := range producers {
		all.Go(func() {
			for n := range each {
				var got taken
				if n%2 == 0 {
					got = b.put(item{p, n})
				} else {
					got = b.force(item{p, n})
				}
				if got == owning {
					own(1 + p%3)
				}
			}
		})
	}
	all.Wait()
	for b.owns() { // the worker, until it has seen all
		runtime.Gosched()
	}
	b.close()
	close(quit)
	worker.Wait()
	if left := b.rest(); len(left) > 0 {
		t.Errorf("%d items are left", len(left))
	}
	for p := range producers {
		if seen[p] != each {
			t.Errorf("of producer %d, %d items were seen, not %d", p, seen[p], each)
		}
	}
}

// owns says that somebody owns what the inbox is for.
func (b *inbox) owns() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owned
}

// A tick that waits is one tick, however many come; what is dropped and what waits goes
// by the bound; a closed inbox takes nothing, and gives back what was in it.
func TestInboxBounds(t *testing.T) {
	b := newInbox()
	if got := b.tick("tick"); got != owning {
		t.Fatalf("the first tick: %v", got)
	}
	for range 3 {
		b.tick("tick")
	}
	if items := b.take(); len(items) != 1 {
		t.Fatalf("%d ticks", len(items))
	}
	b.tick("tick")
	for n := 1; n < inboxSize; n++ {
		if got := b.offer(n); got != queued {
			t.Fatalf("item %d: %v", n, got)
		}
	}
	if got := b.offer("over"); got != noRoom {
		t.Errorf("over the bound: %v", got)
	}
	if got := b.force("owed"); got != queued {
		t.Errorf("what has a bound of its own: %v", got)
	}
	waited := make(chan taken)
	go func() { waited <- b.put("waits") }()
	if items := b.take(); len(items) != inboxSize+1 {
		t.Errorf("%d items wait, not %d", len(items), inboxSize+1)
	}
	if got := <-waited; got != queued {
		t.Errorf("with room again: %v", got)
	}
	b.close()
	if got := b.put("late"); got != closedInbox {
		t.Errorf("closed: %v", got)
	}
	if b.take() != nil {
		t.Error("a closed inbox gives its owner something")
	}
	if left := b.rest(); len(left) != 1 || left[0] != "waits" {
		t.Errorf("left: %v", left)
	}
}

// A step has as many inputs as a batch may, and not much more data than maxBatchBytes.
func TestBatchLen(t *testing.T) {
	large := core.Receive{Data: make([]byte, maxBatchBytes)}
	half := core.Propose{Data: make([]byte, maxBatchBytes/2)}
	small := core.Persisted{Seq: 1}
	for name, c := range map[string]struct {
		inputs []core.Input
		want   int
	}{
		"one":            {[]core.Input{small}, 1},
		"large and more": {[]core.Input{large, small}, 1},
		"more and large": {[]core.Input{small, large, small}, 2},
		"two halves":     {[]core.Input{half, half, half}, 2},
		"many":           {slices.Repeat([]core.Input{small}, core.MaxBatchInputs+1), core.MaxBatchInputs},
	} {
		if got := batchLen(c.inputs); got != c.want {
			t.Errorf("%s: %d inputs, not %d", name, got, c.want)
		}
	}
}
