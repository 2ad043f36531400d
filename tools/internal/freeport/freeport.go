// Package freeport finds TCP ports of the loopback interface for servers that tests,
// the demo and the benchmark start. Call Reserve.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Loopback is the address that the ports are of.
const Loopback = "127.0.0.1"

// firstPort is the lowest port tried, and maxPortTries how often.
const (
	firstPort    = 15000
	maxPortTries = 1000
)

// Reservation holds a port until the server that is to have it starts, so that two
// clusters that are set up at once do not meet.
type Reservation struct {
	Port int

	listener net.Listener
}

// Reserve picks a port below the range that the kernel hands out for outgoing
// connections: a server that is down for a while must find its port free again.
func Reserve() (*Reservation, error) {
	end := ephemeralStart()
	var last error
	for range maxPortTries {
		port := firstPort + rand.IntN(end-firstPort)
		l, err := net.Listen("tcp4", net.JoinHostPort(Loopback, strconv.Itoa(port)))
		if err == nil {
			return &Reservation{Port: port, listener: l}, nil
		}
		last = err
	}
	return nil, fmt.Errorf("no free port on %s in %d tries between %d and %d: %w",
		Loopback, maxPortTries, firstPort, end, last)
}

// Release lets the server have the port. It may be called again.
func (r *Reservation) Release() {
	if r.listener != nil {
		// A child between fork and exec has a copy of every descriptor: without
		// the lock, one that starts at this moment would hold the port.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		r.listener.Close() // nothing was accepted, so nothing can be lost
		r.listener = nil
	}
}

// ephemeralStart is the first port of outgoing connections, or what Linux uses
// by default where that cannot be read.
func ephemeralStart() int {
	const byDefault = 32768
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return byDefault
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return byDefault
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil || first <= firstPort+maxPortTries {
		return byDefault
	}
	return first
}
