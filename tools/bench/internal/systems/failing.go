package systems

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Timing is how often a leader makes itself heard, and for how long others have to miss
// it before they elect another one.
type Timing struct{ Heartbeat, Election time.Duration }

// String is both in milliseconds: 100/1000.
func (t Timing) String() string {
	return fmt.Sprintf("%d/%d", t.Heartbeat.Milliseconds(), t.Election.Milliseconds())
}

func (t Timing) dir(name string) string { return name + "-" + strings.ReplaceAll(t.String(), "/", "-") }

// Failing is a System whose leader can be struck.
type Failing interface {
	System
	// Survivors connects n sessions to each server that does not lead, by the last Epoch;
	// writes are those of the ledger. They go on while nobody leads.
	Survivors(ctx context.Context, l *Ledger, n int) ([]Session, error)
	// Strike does it to the leader of the last Epoch: record.Kill and so on.
	Strike(ctx context.Context, how string) error
	// Mend takes back what Strike did, and returns once all servers follow a leader.
	Mend(ctx context.Context) error
}

// failingPgraft is pgraft with timings of its own.
type failingPgraft struct {
	*pgraft
	struck string
}

// NewFailingPgraft is NewPgraft with other timings.
func NewFailingPgraft(install pgcluster.Install, dir string, t Timing) Failing {
	p := &pgraft{install: install, dir: filepath.Join(dir, t.dir("pgraft")), nodes: servers, settings: map[string]string{
		"pgraft.heartbeat_interval": fmt.Sprintf("%dms", t.Heartbeat.Milliseconds()),
		"pgraft.election_timeout":   fmt.Sprintf("%dms", t.Election.Milliseconds()),
	}}
	return &failingPgraft{pgraft: p}
}

func (p *failingPgraft) Survivors(ctx context.Context, l *Ledger, n int) (open []Session, err error) {
	for _, s := range p.cluster.Servers {
		if s == p.leads {
			continue
		}
		for range n {
			i := len(open)
			session, err := openSQL(ctx, s, func(ctx context.Context, conn *pgx.Conn, n int) error {
				return sqlapi.Replicate(ctx, conn, l.Value(i, n))
			})
			if err != nil {
				return open, err
			}
			open = append(open, session)
		}
	}
	return open, nil
}

func (p *failingPgraft) Strike(ctx context.Context, how string) error {
	p.struck = how
	switch how {
	case record.Kill:
		_, err := p.leads.Kill9(ctx)
		return err
	case record.Silence:
		return signalAll(p.leads, syscall.SIGSTOP)
	case record.FastStop:
		return p.leads.Stop(ctx)
	case record.Transfer:
		return withConn(ctx, p.leads, func(conn *pgx.Conn) error {
			done, err := sqlapi.TransferLeadership(ctx, conn, 0)
			if err == nil && !done {
				err = errors.New("leadership was not handed over")
			}
			return err
		})
	}
	return fmt.Errorf("pgraft cannot be struck by %q", how)
}

func signalAll(s *pgcluster.Server, sig syscall.Signal) error {
	pids, err := s.Processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("%v to process %d of server %d: %w", sig, pid, s.NodeID, err)
		}
	}
	return nil
}

func (p *failingPgraft) Mend(ctx context.Context) error {
	switch p.struck {
	case record.Kill, record.FastStop:
		if err := p.leads.Start(ctx); err != nil {
			return err
		}
	case record.Silence:
		if err := signalAll(p.leads, syscall.SIGCONT); err != nil {
			return err
		}
	}
	p.struck = ""
	leader, _, err := p.leader(ctx)
	if err != nil {
		return err
	}
	return withConn(ctx, leader, func(conn *pgx.Conn) error { return p.allVote(ctx, conn) })
}

// Stop lets servers that stand still go on before, or they would not end.
func (p *failingPgraft) Stop() error {
	var err error
	if p.struck == record.Silence {
		err = signalAll(p.leads, syscall.SIGCONT)
	}
	return errors.Join(err, p.pgraft.Stop())
}

// failingEtcd is etcd with timings of its own.
type failingEtcd struct {
	*etcd
	struck string
}

// NewFailingEtcd is NewEtcd with other timings.
func NewFailingEtcd(program, dir string, t Timing) Failing {
	e := &etcd{program: program, dir: filepath.Join(dir, t.dir("etcd")), flags: []string{
		"--heartbeat-interval", strconv.FormatInt(t.Heartbeat.Milliseconds(), 10),
		"--election-timeout", strconv.FormatInt(t.Election.Milliseconds(), 10),
	}}
	return &failingEtcd{etcd: e}
}

// putPatience is how long a put is waited for. One that a follower has forwarded to a
// leader that is gone is never answered, so it is given up and another one made; one that
// waits for a leader goes on with it.
const putPatience = 50 * time.Millisecond

func (e *failingEtcd) Survivors(_ context.Context, l *Ledger, n int) (open []Session, err error) {
	for m := range e.members {
		if m == e.leads {
			continue
		}
		for range n {
			i := len(open)
			open = append(open, &etcdSession{client: e.clients[m], do: func(ctx context.Context, client *clientv3.Client, n int) error {
				ctx, cancel := context.WithTimeout(ctx, putPatience)
				defer cancel()
				_, err := client.Put(ctx, l.Key(i, n), l.Value(i, n))
				return err
			}})
		}
	}
	return open, nil
}

func (e *failingEtcd) Strike(ctx context.Context, how string) error {
	e.struck = how
	m := e.members[e.leads]
	switch how {
	case record.Kill:
		return m.signal(syscall.SIGKILL)
	case record.Silence:
		return m.signal(syscall.SIGSTOP)
	case record.FastStop:
		return m.signal(syscall.SIGTERM)
	case record.Transfer:
		to, err := e.clients[(e.leads+1)%len(e.members)].Status(ctx, e.members[(e.leads+1)%len(e.members)].clientURL())
		if err != nil {
			return fmt.Errorf("etcd: whom to hand leadership to: %w", err)
		}
		if _, err := e.clients[e.leads].MoveLeader(ctx, to.Header.MemberId); err != nil {
			return fmt.Errorf("etcd: hand leadership over: %w", err)
		}
		return nil
	}
	return fmt.Errorf("etcd cannot be struck by %q", how)
}

func (e *failingEtcd) Mend(ctx context.Context) error {
	m := e.members[e.leads]
	switch e.struck {
	case record.Kill, record.FastStop:
		select {
		case <-m.exited:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := m.start(e.program, e.cluster(), e.flags); err != nil {
			return err
		}
	case record.Silence:
		if err := m.signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	e.struck = ""
	return e.allFollow(ctx)
}

func (e *failingEtcd) Stop() error {
	var err error
	if e.struck == record.Silence {
		err = e.members[e.leads].signal(syscall.SIGCONT)
	}
	return errors.Join(err, e.etcd.Stop())
}

// signal is for a member that was started.
func (m *etcdMember) signal(sig syscall.Signal) error {
	if err := m.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("%v to etcd's %s: %w", sig, m.name, err)
	}
	return nil
}

// allVote waits until all servers vote, and the leader hears them.
func (p *pgraft) allVote(ctx context.Context, conn *pgx.Conn) error {
	return wait.For(ctx, settleLimit, "all servers to vote", func(ctx context.Context) error {
		rows, err := sqlapi.ClusterStatus(ctx, conn)
		voters := 0
		for _, r := range rows {
			if r.State == "Leader" || r.State == "Follower" {
				voters++
			}
		}
		if err == nil && voters != p.nodes {
			err = fmt.Errorf("%d of %d do", voters, p.nodes)
		}
		return err
	})
}
