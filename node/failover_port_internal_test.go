package node

import (
	"net"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// A port has to answer once in an epoch. It is looked at again once its member's connections are
// closed: that it refuses then is told, and in another epoch it has to answer anew.
func TestPortWatch(t *testing.T) {
	quit, told := make(chan struct{}), make(chan failover.Port, 100)
	p := newPortWatch(quit, func(x failover.Port) { told <- x })
	go p.loop()
	defer func() {
		close(quit)
		<-p.ended
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			dialled <- struct{}{}
		}
	}()
	want := func(w failover.Port) {
		t.Helper()
		select {
		case got := <-told:
			if got != w {
				t.Fatalf("%+v is told, not %+v", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%+v is not told", w)
		}
	}
	o := failover.Watch{Epoch: 3, Member: 7, Address: l.Addr().String()}
	p.watch(o)
	want(failover.Port{Member: 7, Epoch: 3, Answers: true})
	p.peerClosed(8, true) // another member
	p.peerClosed(7, true)
	want(failover.Port{Member: 7, Epoch: 3, Answers: true, Reset: true})
	p.peerClosed(7, false)
	want(failover.Port{Member: 7, Epoch: 3, Answers: true})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p.peerClosed(7, true)
	want(failover.Port{Member: 7, Epoch: 3, Refuses: true, Reset: true})
	o.Epoch = 4
	p.watch(o)
	want(failover.Port{Member: 7, Epoch: 4, Refuses: true, Reset: true})
	p.peerClosed(7, false)
	want(failover.Port{Member: 7, Epoch: 4, Refuses: true})
	if len(dialled) == 0 {
		t.Error("nobody was connected to")
	}
}
