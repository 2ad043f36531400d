package transport

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which syscall lacks.
const tcpUserTimeout = 18

// setUserTimeout bounds how long sent bytes may stay unacknowledged.
func setUserTimeout(nc *net.TCPConn, d time.Duration) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return opt
}
