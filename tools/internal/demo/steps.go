package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

func (d *demo) start(ctx context.Context) (string, error) {
	if err := d.cluster.Start(ctx); err != nil {
		return "", err
	}
	for _, s := range d.cluster.Servers {
		if err := d.connect(ctx, s); err != nil {
			return "", err
		}
	}
	ports := make([]int, len(d.cluster.Servers))
	for i, s := range d.cluster.Servers {
		ports[i] = s.Port
	}
	return fmt.Sprintf("on ports %v", ports), nil
}

func (d *demo) connect(ctx context.Context, s *pgcluster.Server) error {
	conn, err := s.Conn(ctx)
	if err != nil {
		return err
	}
	d.conns[s.NodeID] = conn
	return nil
}

// eachNode does something on every node that runs, at once.
func (d *demo) eachNode(do func(id int, conn *pgx.Conn) error) error {
	var group errgroup.Group
	for id, conn := range d.conns {
		group.Go(func() error {
			if err := do(id, conn); err != nil {
				return fmt.Errorf("node %d: %w\n%s", id, err, d.server(id).LogTail(8))
			}
			return nil
		})
	}
	return group.Wait()
}

func (d *demo) server(id int) *pgcluster.Server { return d.cluster.Servers[id-1] }

func (d *demo) initialise(ctx context.Context) (string, error) {
	err := d.eachNode(func(_ int, conn *pgx.Conn) error {
		// the simple protocol: one string, one transaction, as psql -c sends it
		if _, err := conn.PgConn().Exec(ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init()").ReadAll(); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if d.result.Version, err = sqlapi.Version(ctx, d.conns[1]); err != nil {
		return "", err
	}
	leader, err := d.waitLeader(ctx)
	return fmt.Sprintf("pgraft %s, node %d leads", d.result.Version, leader), err
}

// waitLeader waits until one of the nodes that run answers pgraft_is_leader()
// with true, and returns its id.
func (d *demo) waitLeader(ctx context.Context) (leader int, err error) {
	err = wait.For(ctx, electionLimit, "a leader", func(ctx context.Context) error {
		for id, conn := range d.conns {
			leads, err := sqlapi.IsLeader(ctx, conn)
			if err != nil {
				return fmt.Errorf("node %d: %w", id, err)
			}
			if leads {
				leader = id
				return nil
			}
		}
		return errors.New("pgraft_is_leader() is false everywhere")
	})
	return leader, err
}

func (d *demo) addNodes(ctx context.Context) (string, error) {
	leader, err := d.waitLeader(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range d.cluster.Servers {
		if s.NodeID == leader {
			continue
		}
		added, err := sqlapi.AddNode(ctx, d.conns[leader], s.NodeID, "127.0.0.1", s.RaftPort)
		if err == nil && !added {
			err = errors.New("pgraft_add_node answered false")
		}
		if err != nil {
			return "", fmt.Errorf("add node %d: %w\n%s", s.NodeID, err, d.server(leader).LogTail(8))
		}
	}
	return fmt.Sprintf("%d voters", len(d.cluster.Servers)), d.waitVoters(ctx)
}

// waitVoters waits until every node that runs shows all members as voters that
// can be reached: a node learns of a change a moment after the leader.
func (d *demo) waitVoters(ctx context.Context) error {
	return d.eachNode(func(id int, conn *pgx.Conn) error {
		return wait.For(ctx, catchUpLimit, "all members to be voters", func(ctx context.Context) error {
			rows, err := sqlapi.ClusterStatus(ctx, conn)
			if err != nil {
				return err
			}
			voters := 0
			for _, r := range rows {
				if r.State == "Leader" || r.State == "Follower" {
					voters++
				}
			}
			if voters != len(d.cluster.Servers) {
				return fmt.Errorf("node %d sees %d of %d: %+v", id, voters, len(d.cluster.Servers), rows)
			}
			return nil
		})
	})
}

func (d *demo) status(ctx context.Context) (string, error) {
	d.result.Status = nil
	for _, s := range d.cluster.Servers {
		rows, err := sqlapi.ClusterStatus(ctx, d.conns[s.NodeID])
		if err != nil {
			return "", fmt.Errorf("node %d: %w", s.NodeID, err)
		}
		d.result.Status = append(d.result.Status, NodeStatus{NodeID: s.NodeID, Rows: rows})
	}
	d.ui.after(statusTable(d.result.Status))
	return "", nil
}

// write replicates n entries, taking the nodes in turn: those that do not lead
// forward to the leader.
func (d *demo) write(ctx context.Context, p *progress, prefix string, n int) (string, error) {
	p.total(n)
	var ids []int
	for id := range d.conns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	began := time.Now()
	for i := range n {
		data := fmt.Sprintf("%s %d", prefix, i+1)
		id := ids[i%len(ids)]
		if err := sqlapi.Replicate(ctx, d.conns[id], data); err != nil {
			return "", fmt.Errorf("node %d: %w\n%s", id, err, d.server(id).LogTail(8))
		}
		d.written[data] = true
		p.add()
	}
	return fmt.Sprintf("through nodes %v in turn, %.1f ms each", ids,
		float64(time.Since(began).Microseconds())/1000/float64(n)), nil
}

// readBack reads the whole log on every node and compares: each acknowledged
// entry once, nothing else, and the same at the same index everywhere.
func (d *demo) readBack(ctx context.Context) (string, error) {
	last, err := d.waitApplied(ctx)
	if err != nil {
		return "", err
	}
	logs := make([][]sqlapi.Entry, len(d.cluster.Servers))
	err = d.eachNode(func(id int, conn *pgx.Conn) (err error) {
		logs[id-1], err = sqlapi.Entries(ctx, conn, 1, last)
		return err
	})
	if err != nil {
		return "", err
	}
	for i, log := range logs {
		if err := compare(log, logs[0], d.written); err != nil {
			return "", fmt.Errorf("node %d: %w", i+1, err)
		}
	}
	d.result.Entries = len(d.written)
	return fmt.Sprintf("%d entries equal on %d nodes", len(d.written), len(logs)), nil
}

// compare checks one node's log against another's and against what was written.
func compare(log, other []sqlapi.Entry, written map[string]bool) error {
	seen := map[string]bool{}
	for _, e := range log {
		if !written[e.Data] {
			return fmt.Errorf("index %d holds %q, which nobody wrote", e.Index, e.Data)
		}
		if seen[e.Data] {
			return fmt.Errorf("index %d holds %q, which stands at a lower index too", e.Index, e.Data)
		}
		seen[e.Data] = true
	}
	if len(seen) != len(written) {
		return fmt.Errorf("%d entries, but %d were acknowledged", len(seen), len(written))
	}
	if !slices.Equal(log, other) {
		return errors.New("its entries do not stand at the same indexes as on node 1")
	}
	return nil
}

// waitApplied waits until every node that runs has applied all that the leader
// has committed, and returns that index.
func (d *demo) waitApplied(ctx context.Context) (int64, error) {
	leader, err := d.waitLeader(ctx)
	if err != nil {
		return 0, err
	}
	stats, err := sqlapi.Stats(ctx, d.conns[leader])
	if err != nil {
		return 0, err
	}
	return stats.CommitIndex, d.eachNode(func(_ int, conn *pgx.Conn) error {
		what := fmt.Sprintf("index %d to be applied", stats.CommitIndex)
		return wait.For(ctx, catchUpLimit, what, func(ctx context.Context) error {
			own, err := sqlapi.Stats(ctx, conn)
			if err == nil && own.LastApplied < stats.CommitIndex {
				err = fmt.Errorf("applied %d, commit %d", own.LastApplied, own.CommitIndex)
			}
			return err
		})
	})
}

func (d *demo) idle(ctx context.Context) (string, error) {
	usage := make([]pgcluster.Usage, len(d.cluster.Servers))
	var group errgroup.Group
	for i, s := range d.cluster.Servers {
		group.Go(func() (err error) {
			usage[i], err = s.MeasureEngine(ctx, idleInterval)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	for i, u := range usage {
		d.result.Idle = append(d.result.Idle, Idle{NodeID: i + 1, CPU: u.CPU, PSSBytes: u.PSSBytes})
		d.result.idleCPU = max(d.result.idleCPU, u.CPU)
		d.result.idlePSSInBytes = max(d.result.idlePSSInBytes, u.PSSBytes)
	}
	return fmt.Sprintf("at most %.2f %% of a core and %.1f MB each", 100*d.result.idleCPU,
		float64(d.result.idlePSSInBytes)/(1<<20)), nil
}

// failover kills the leader's server and waits for another leader.
func (d *demo) failover(ctx context.Context) (string, error) {
	leader, err := d.waitLeader(ctx)
	if err != nil {
		return "", err
	}
	d.killed = d.server(leader)
	d.conns[leader].Close(ctx) // it would only hear that its server is gone
	delete(d.conns, leader)
	var killedAt time.Time
	var group errgroup.Group
	group.Go(func() (err error) {
		killedAt, err = d.killed.Kill9(ctx)
		return err
	})
	next, err := d.waitLeader(ctx)
	now := time.Now()
	if err := errors.Join(err, group.Wait()); err != nil {
		return "", err
	}
	d.result.Killed, d.result.NewLeader = leader, next
	d.result.FailoverSecs = now.Sub(killedAt).Seconds()
	return fmt.Sprintf("node %d was leader; node %d leads after %.2f s", leader, next, d.result.FailoverSecs), nil
}

// rejoin starts the killed server; its node must come back by itself.
func (d *demo) rejoin(ctx context.Context) (string, error) {
	began := time.Now()
	if err := d.killed.Start(ctx); err != nil {
		return "", err
	}
	if err := d.connect(ctx, d.killed); err != nil {
		return "", err
	}
	index, err := d.waitApplied(ctx)
	if err != nil {
		return "", err
	}
	d.result.CatchUpSecs = time.Since(began).Seconds()
	return fmt.Sprintf("node %d caught up to index %d", d.killed.NodeID, index), d.waitVoters(ctx)
}
