package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/transport"
)

// readFailure fails reads from the moment it is armed, each once ready returns.
type readFailure struct {
	armed atomic.Bool
	ready func()
}

func (*readFailure) String() string { return "readFailure" }

func (f *readFailure) MaybeError(op errorfs.Op) error {
	if op.Kind != errorfs.OpFileReadAt || !f.armed.Load() {
		return nil
	}
	f.ready()
	return errorfs.ErrInjected
}

// A log that cannot be read fails Open also while a peer is at the door: who
// greets it waits for Open, and Open must not wait for who greets it.
func TestOpenFailsWhileAPeerGreets(t *testing.T) {
	m := newMember(t, 1)
	m.cfg.SnapshotEntries = 1 << 20 // so that Load reads all of the log
	m.open().init(true)
	for i := range 40 { // many blocks: opening the store reads the first and the last
		cluster{m}.leader().propose(request(1, i), strings.Repeat("x", 10_000))
	}
	m.stop()

	prober, err := transport.Listen(transport.Config{Listen: "127.0.0.1:0", Handler: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	probed := make(chan error, 1)
	t.Cleanup(func() {
		if err := prober.Close(); err != nil {
			t.Error(err)
		}
	})
	fault := &readFailure{ready: func() {
		_ = poll(greets) // should nobody come, Open has nobody to wait for, and the probe says so
	}}
	m.cfg.FS = errorfs.Wrap(vfs.Default, fault)
	var started atomic.Int32
	m.cfg.Go = func(f func()) {
		go f()
		if started.Add(1) == 2 { // the transport's second goroutine accepts connections
			fault.armed.Store(true)
			go func() {
				_, err := prober.Probe(context.Background(), net.JoinHostPort("127.0.0.1", strconv.Itoa(int(m.cfg.Port))),
					&corepb.Hello{Protocol: 1, ClusterId: "test", FromNode: 2, ToNode: 1})
				probed <- err
			}()
		}
	}
	opened := make(chan error, 1)
	go func() {
		n, err := node.Open(m.cfg)
		if err == nil {
			err = fmt.Errorf("it opened; %w", n.Close())
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("open: %v; want the failure of the disk", err)
		}
	case <-time.After(2 * patience):
		t.Fatal("Open waits for a peer that waits for Open")
	}
	if err := <-probed; !errors.Is(err, transport.ErrNotPgraft) && !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("the peer was answered %v by a node that did not open", err)
	}

	m.cfg.FS, m.cfg.Go = nil, nil
	m.open()
	cluster{m}.leader()
}

// greets says whether some peer's hello is being answered.
func greets() error {
	for _, stack := range ours() {
		if strings.Contains(stack, "(*peers).Greet") {
			return nil
		}
	}
	return errors.New("no peer is greeted")
}

// silent is the handler of a transport that only probes.
type silent struct{}

func (silent) Hello(*corepb.Member) *corepb.Hello      { return nil }
func (silent) Greet(*corepb.Hello) *corepb.Welcome     { return nil }
func (silent) Receive(uint64, [][]byte) bool           { return false }
func (silent) Unreachable(uint64)                      {}
func (silent) Closed(uint64, bool)                     {}
func (silent) SnapshotSent(uint64, bool)               {}
func (silent) Refused(*corepb.Member, *corepb.Welcome) {}
