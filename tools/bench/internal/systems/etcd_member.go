package systems

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/pgraft/pgraft/tools/internal/freeport"
)

// quotaBytes is the room for values: 2 GB by default, which 1 MB values fill soon.
const quotaBytes = 8 << 30

// stopLimit is how long a member may take to end before it is killed.
const stopLimit = 20 * time.Second

// etcdMember is one server.
type etcdMember struct {
	name    string
	dir     string
	clients *freeport.Reservation
	peer    *freeport.Reservation
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
}

func newEtcdMember(dir string, i int) (*etcdMember, error) {
	m := &etcdMember{name: fmt.Sprintf("member%d", i)}
	m.dir = filepath.Join(dir, m.name)
	var err error
	if m.clients, err = freeport.Reserve(); err != nil {
		return nil, err
	}
	if m.peer, err = freeport.Reserve(); err != nil {
		return nil, errors.Join(err, m.clients.Close())
	}
	return m, nil
}

func url(r *freeport.Reservation) string {
	return "http://" + net.JoinHostPort(freeport.Loopback, strconv.Itoa(r.Port))
}

func (m *etcdMember) clientURL() string { return url(m.clients) }
func (m *etcdMember) peerURL() string   { return url(m.peer) }
func (m *etcdMember) logPath() string   { return m.dir + ".log" }
func (m *etcdMember) pid() int          { return m.cmd.Process.Pid }

// client is a connection of its own to this member.
func (m *etcdMember) client() (*clientv3.Client, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{m.clientURL()}, DialTimeout: dialLimit, Logger: quiet})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd's %s: %w", m.name, err)
	}
	return c, nil
}

func (m *etcdMember) start(program, cluster string, flags []string) error {
	log, err := os.OpenFile(m.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer log.Close() // the server has its own descriptor by then
	args := append([]string{"--name", m.name, "--data-dir", m.dir,
		"--listen-client-urls", m.clientURL(), "--advertise-client-urls", m.clientURL(),
		"--listen-peer-urls", m.peerURL(), "--initial-advertise-peer-urls", m.peerURL(),
		"--initial-cluster", cluster, "--initial-cluster-state", "new",
		"--quota-backend-bytes", strconv.Itoa(quotaBytes), "--log-level", "warn"}, flags...)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	for _, v := range os.Environ() { // etcd reads settings from there
		if !strings.HasPrefix(v, "ETCD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// A session of its own, as Ctrl-C is this program's business; and its end when
	// this program dies, however it dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start etcd's %s: %w", m.name, err)
	}
	m.cmd, m.exited = cmd, make(chan struct{})
	go func() {
		cmd.Wait() // how it ended stands in its log
		close(m.exited)
	}()
	return nil
}

// stop ends the process by its pid, and gives its ports back.
func (m *etcdMember) stop() error {
	return errors.Join(m.end(), m.clients.Close(), m.peer.Close())
}

func (m *etcdMember) end() error {
	if m.cmd == nil {
		return nil
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := m.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop etcd's %s: %w", m.name, err)
		}
		select {
		case <-m.exited:
			return nil
		case <-time.After(stopLimit):
		}
	}
	return fmt.Errorf("etcd's %s, process %d, does not end", m.name, m.pid())
}

// logTail is the end of its log.
func (m *etcdMember) logTail() string {
	const most = 4000
	text, err := os.ReadFile(m.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
