package freeport

import (
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// A port that was handed out stays its server's, also while nobody listens there.
func TestPortStaysReserved(t *testing.T) {
	r, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	if r.Port >= ephemeralStart() {
		t.Errorf("port %d is one of outgoing connections", r.Port)
	}
	if other, err := reserve(r.Port); err == nil {
		t.Fatalf("port %d is reserved once more: %v", r.Port, other.Close())
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(Loopback, strconv.Itoa(r.Port)))
	if err != nil {
		t.Fatalf("its server does not get port %d: %v", r.Port, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = reserve(r.Port); err != nil {
		t.Fatalf("it was given back: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// A port on which somebody else listens is not reserved, and leaves nothing behind.
func TestPortIsTaken(t *testing.T) {
	r, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	port := r.Port
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(Loopback, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := reserve(port); err == nil {
		t.Fatalf("port %d is reserved: %v", port, r.Close())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = reserve(port); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// A reserved port is free for its server at once, whatever children start beside it.
func TestPortIsFreeAtOnce(t *testing.T) {
	stop, forks := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		forks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 1000 {
		r, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp4", net.JoinHostPort(Loopback, strconv.Itoa(r.Port)))
		if err != nil {
			t.Errorf("its server does not get port %d: %v", r.Port, err)
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	forks.Wait()
}
