//go:build !linux

package transport

import (
	"net"
	"time"
)

// setUserTimeout has no counterpart elsewhere: keepalive and the write deadline
// find a dead peer there.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
