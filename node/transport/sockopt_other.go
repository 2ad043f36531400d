//go:build !linux

package transport

import (
	"net"
	"time"
)

// setUserTimeout has no counterpart elsewhere: keepalive and the write deadline
// find a dead peer there.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }

// quiet is for Linux only: elsewhere an idle node costs somewhat more.
func quiet(nc *net.TCPConn) net.Conn { return nc }
