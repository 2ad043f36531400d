// Package limits measures what bounds every system on a machine: how fast its disk
// syncs what is appended, and how fast bytes go to another process and back.
package limits

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/tools/internal/bench"
)

// syncing appends and calls fdatasync, as a log does.
type syncing struct {
	file *os.File
	data []byte
}

// Session is one that is to be closed.
type Session interface {
	bench.Session
	Processes() []int // that it needs beside this one
	Close(ctx context.Context) error
}

// Sync is a session whose operations append so many bytes to a new file in dir and
// wait until they are on the disk. Close removes the file.
func Sync(dir string, bytes int) (Session, error) {
	file, err := os.OpenFile(filepath.Join(dir, "fdatasync"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return &syncing{file: file, data: []byte(strings.Repeat("x", bytes))}, nil
}

func (s *syncing) Ready(context.Context) error { return nil }

func (s *syncing) Processes() []int { return nil }

func (s *syncing) Do(context.Context, int) error {
	if _, err := s.file.Write(s.data); err != nil {
		return err
	}
	return unix.Fdatasync(int(s.file.Fd()))
}

func (s *syncing) Close(context.Context) error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// roundTrip sends bytes to another process, which sends them back.
type roundTrip struct {
	peer *exec.Cmd
	in   io.Closer // the peer ends when it is closed
	conn net.Conn
	data []byte
	back []byte
}

// RoundTrip is a session whose operations send so many bytes over the loopback
// interface and wait for them to come back. The command is of the process at the
// other end, which calls Echo.
func RoundTrip(bytes int, command ...string) (_ Session, err error) {
	r := &roundTrip{peer: exec.Command(command[0], command[1:]...), data: make([]byte, bytes), back: make([]byte, bytes)}
	r.peer.Stderr = os.Stderr
	if r.in, err = r.peer.StdinPipe(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	out, err := r.peer.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	if err := r.peer.Start(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		r.conn, err = net.Dial("tcp4", strings.TrimSpace(address))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("limits: %v: %w", command, err), r.Close(context.Background()))
	}
	return r, nil
}

func (r *roundTrip) Ready(context.Context) error { return nil }

func (r *roundTrip) Processes() []int { return []int{r.peer.Process.Pid} }

func (r *roundTrip) Do(context.Context, int) error {
	if _, err := r.conn.Write(r.data); err != nil {
		return err
	}
	_, err := io.ReadFull(r.conn, r.back)
	return err
}

func (r *roundTrip) Close(context.Context) error {
	var err error
	if r.conn != nil {
		err = r.conn.Close()
	}
	return errors.Join(err, r.in.Close(), r.peer.Wait())
}

// Echo is the other end of RoundTrip: it prints where it listens, sends back what
// comes over one connection, and returns when that or in ends.
func Echo(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	defer l.Close() // nothing is to be lost
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	go func() {
		io.Copy(io.Discard, in) // its end is what matters
		l.Close()
	}()
	conn, err := l.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	defer conn.Close() // it was closed by the other end
	b := make([]byte, 64<<10)
	for {
		n, err := conn.Read(b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = conn.Write(b[:n])
		}
		if err != nil {
			return fmt.Errorf("echo: %w", err)
		}
	}
}
