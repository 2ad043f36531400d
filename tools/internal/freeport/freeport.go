// Package freeport finds TCP ports of the loopback interface for servers that tests,
// the demo and the benchmark start. Call Reserve.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Loopback is the address that the ports are of.
const Loopback = "127.0.0.1"

// firstPort is the lowest port tried, and maxPortTries how often.
const (
	firstPort    = 15000
	maxPortTries = 1000
)

// dialLimit is far above what a loopback port takes to refuse.
const dialLimit = 5 * time.Second

// Reservation keeps a port for one server. Nobody else gets the port from Reserve before
// Close, or before this process ends: a server that is down for a while must find its port
// free again.
type Reservation struct {
	Port int

	guard net.Listener // a socket that only Reserve looks at, in any process
}

// Reserve picks a port below the range that the kernel hands out for outgoing
// connections, which none of them takes while the server is down.
func Reserve() (*Reservation, error) {
	end := ephemeralStart()
	var last error
	for range maxPortTries {
		r, err := reserve(firstPort + rand.IntN(end-firstPort))
		if err == nil {
			return r, nil
		}
		last = err
	}
	return nil, fmt.Errorf("no free port on %s in %d tries between %d and %d: %w",
		Loopback, maxPortTries, firstPort, end, last)
}

// reserve takes one port. The guard is a socket without a file: as a port, it is of this
// network alone, and ends with its process. The port itself is only asked for, never
// listened on: a child that another goroutine starts has a copy of every descriptor until
// the kernel is through with exec, also for a moment after its parent goes on, and the
// port's server would find it taken.
func reserve(port int) (*Reservation, error) {
	guard, err := net.Listen("unix", "@pgraft-port-"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp4", net.JoinHostPort(Loopback, strconv.Itoa(port)), dialLimit)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED): // nobody listens
		return &Reservation{Port: port, guard: guard}, nil
	case err == nil:
		err = errors.Join(fmt.Errorf("somebody listens on port %d", port), conn.Close())
	}
	return nil, errors.Join(err, guard.Close())
}

// Close gives the port back. It may be called again.
func (r *Reservation) Close() error {
	if r.guard == nil {
		return nil
	}
	guard := r.guard
	r.guard = nil
	return guard.Close()
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
