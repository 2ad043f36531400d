package core

import (
	"cmp"
	"fmt"
)

// Limits are bounds that a long life meets and a minute does not: the simulator
// makes them small. A field that is 0 means the bound of config.go, and a host
// leaves them all 0.
type Limits struct {
	UncommittedBytes uint64 // see maxUncommitted
	InflightBytes    uint64 // see maxInflightBytes; at least maxMessageBytes
	CommittedBytes   uint64 // see maxCommittedBytes
	MarkBytes        uint64 // see maxMarkBytes
	// RequestWindow, see requestWindow, decides what is applied: it must be the
	// same at all members of a cluster, for as long as it lives.
	RequestWindow uint64
}

// orDefaults fills in what is 0.
func (l Limits) orDefaults() Limits {
	return Limits{
		UncommittedBytes: cmp.Or(l.UncommittedBytes, maxUncommitted),
		InflightBytes:    cmp.Or(l.InflightBytes, maxInflightBytes),
		CommittedBytes:   cmp.Or(l.CommittedBytes, maxCommittedBytes),
		MarkBytes:        cmp.Or(l.MarkBytes, maxMarkBytes),
		RequestWindow:    cmp.Or(l.RequestWindow, requestWindow),
	}
}

// validate refuses what the library would panic on.
func (l Limits) validate() error {
	if l.InflightBytes != 0 && l.InflightBytes < maxMessageBytes {
		return fmt.Errorf("core: Limits.InflightBytes is %d, must be at least %d", l.InflightBytes, maxMessageBytes)
	}
	return nil
}
