package transport

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// quietConn reads and writes a TCP socket without telling Go's scheduler. A
// system call that may block makes the runtime wake its monitor thread, which
// then looks around for some 100 µs; on an idle node, with some 80 short calls a
// second, that was two wake-ups in three and nearly half of the processor time.
// These calls cannot block: the sockets are non-blocking, and it is the poller
// that waits. One goroutine may read and one may write at a time.
type quietConn struct {
	net.Conn
	raw   syscall.RawConn
	in    transfer
	out   transfer
	try   transfer    // of tryWrite
	heard atomic.Bool // something was read
}

// transfer is one call under way. do is made once, so that calls allocate
// nothing.
type transfer struct {
	trap uintptr
	b    []byte
	n    int
	err  syscall.Errno
	do   func(fd uintptr) bool
}

func (t *transfer) prepare(trap uintptr) {
	t.trap = trap
	t.do = t.make(false)
}

// make makes do: one that waits until the poller says that the socket is ready, or one
// that does not.
func (t *transfer) make(once bool) func(fd uintptr) bool {
	return func(fd uintptr) bool {
		for {
			n, _, errno := syscall.RawSyscall(t.trap, fd, uintptr(unsafe.Pointer(&t.b[0])), uintptr(len(t.b)))
			switch errno {
			case syscall.EINTR:
			case syscall.EAGAIN:
				t.n, t.err = 0, 0
				return once
			case 0:
				t.n, t.err = int(n), 0
				return true
			default:
				t.n, t.err = 0, errno
				return true
			}
		}
	}
}

func (t *transfer) failure(c *quietConn, op string) error {
	if t.err == 0 {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, t.err)}
}

// quiet returns nc itself if it is closed already: its calls then say so.
func quiet(nc *net.TCPConn) net.Conn {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nc
	}
	c := &quietConn{Conn: nc, raw: raw}
	c.in.prepare(syscall.SYS_READ)
	c.out.prepare(syscall.SYS_WRITE)
	c.try.trap = syscall.SYS_WRITE
	c.try.do = c.try.make(true)
	return c
}

func (c *quietConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.in.b = b
	defer func() { c.in.b = nil }()
	if err := c.raw.Read(c.in.do); err != nil {
		return 0, err
	}
	if c.in.n == 0 && c.in.err == 0 {
		return 0, io.EOF
	}
	if c.in.n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return c.in.n, c.in.failure(c, "read")
}

func (c *quietConn) Write(b []byte) (done int, err error) {
	defer func() { c.out.b = nil }()
	for done < len(b) {
		c.out.b = b[done:]
		if err := c.raw.Write(c.out.do); err != nil {
			return done, err
		}
		if err := c.out.failure(c, "write"); err != nil {
			return done, err
		}
		done += c.out.n
	}
	return done, nil
}

// tryWrite writes what the socket takes without waiting. Nobody else may be writing, and
// no deadline for writes may be over.
func (c *quietConn) tryWrite(b []byte) (int, error) {
	c.try.b = b
	defer func() { c.try.b = nil }()
	if err := c.raw.Write(c.try.do); err != nil {
		return 0, err
	}
	return c.try.n, c.try.failure(c, "write")
}
