package systems

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// settleLimit is far above what a healthy system needs to elect a leader, or to bring
// a server up to date.
const settleLimit = 60 * time.Second

// benchCluster is the pgraft.cluster_id of all servers.
const benchCluster = "pgraft-bench"

// checkBytes is how much is read at once to check it, checkRows how many values.
const (
	checkBytes = 8 << 20
	checkRows  = 10000
)

type pgraft struct {
	install  pgcluster.Install
	dir      string
	nodes    int
	settings map[string]string // beside confSettings
	version  string
	cluster  *pgcluster.Cluster
	leads    *pgcluster.Server // at the last Epoch
	begin    int64             // the last index that Mark saw
}

// NewPgraft is a pgraft cluster with default settings, its flight recorder on; its
// files go below dir.
func NewPgraft(install pgcluster.Install, dir string) System {
	return &pgraft{install: install, dir: filepath.Join(dir, "pgraft"), nodes: servers}
}

func (p *pgraft) Name() string    { return record.Pgraft }
func (p *pgraft) Version() string { return p.version }
func (p *pgraft) Stop() error     { return stop(p.cluster) }

func (p *pgraft) Start(ctx context.Context) error {
	var err error
	settings := maps.Clone(confSettings)
	maps.Copy(settings, p.settings)
	p.cluster, err = pgcluster.New(ctx, pgcluster.Config{Install: p.install, Nodes: p.nodes, Dir: p.dir,
		ClusterID: benchCluster, Settings: settings})
	if err != nil {
		return err
	}
	if err := p.cluster.Start(ctx); err != nil {
		return err
	}
	for _, s := range p.cluster.Servers {
		err := withConn(ctx, s, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init()")
			return err
		})
		if err != nil {
			return err
		}
	}
	return p.form(ctx)
}

// form adds the other servers to the first one's cluster.
func (p *pgraft) form(ctx context.Context) error {
	first, _, err := p.leader(ctx)
	if err != nil {
		return err
	}
	return withConn(ctx, first, func(conn *pgx.Conn) error {
		for _, s := range p.cluster.Servers {
			if s == first {
				continue
			}
			if _, err := sqlapi.AddNode(ctx, conn, s.NodeID, freeport.Loopback, s.RaftPort); err != nil {
				return err
			}
		}
		if p.version, err = sqlapi.Version(ctx, conn); err != nil {
			return err
		}
		return p.allVote(ctx, conn)
	})
}

// leader waits until a server has the leader lease, and says in which term.
func (p *pgraft) leader(ctx context.Context) (leader *pgcluster.Server, term int64, err error) {
	err = wait.For(ctx, settleLimit, "a leader of pgraft", func(ctx context.Context) error {
		for _, s := range p.cluster.Servers {
			err := withConn(ctx, s, func(conn *pgx.Conn) error {
				leads, err := sqlapi.IsLeader(ctx, conn)
				if err != nil || !leads {
					return err
				}
				leader = s
				term, err = sqlapi.Term(ctx, conn)
				return err
			})
			if err != nil || leader != nil {
				return err
			}
		}
		return errors.New("pgraft_is_leader() is false everywhere")
	})
	return leader, term, err
}

func (p *pgraft) Epoch(ctx context.Context) (string, error) {
	s, term, err := p.leader(ctx)
	if err != nil {
		return "", err
	}
	p.leads = s
	return fmt.Sprintf("node %d in term %d", s.NodeID, term), nil
}

func (p *pgraft) Processes() (map[string][]int, error) {
	all, err := processes(p.cluster)
	if err != nil {
		return nil, err
	}
	parts := map[string][]int{record.Servers: all}
	for _, s := range p.cluster.Servers {
		pid, err := s.EngineWorker()
		if err != nil {
			return nil, err
		}
		parts[record.Engines] = append(parts[record.Engines], pid)
	}
	return parts, nil
}

func (p *pgraft) Open(ctx context.Context, c record.Cell, l *Ledger, i int) (Session, error) {
	at := p.leads
	for _, s := range p.cluster.Servers {
		if c.Through == record.Follower && s != p.leads {
			at = s
			break
		}
	}
	var do func(ctx context.Context, conn *pgx.Conn, n int) error
	switch c.Operation {
	case record.Write:
		do = func(ctx context.Context, conn *pgx.Conn, n int) error {
			return sqlapi.Replicate(ctx, conn, l.Value(i, n))
		}
	case record.SelectOne:
		do = queryOne("SELECT 1")
	case record.IsLeader:
		do = queryOne("SELECT pgraft_is_leader()")
	case record.GetLeader:
		do = queryOne("SELECT pgraft_get_leader()")
	case record.GetTerm:
		do = queryOne("SELECT pgraft_get_term()")
	case record.Barrier:
		do = queryOne("SELECT pgraft_read_barrier()")
	default:
		return nil, fmt.Errorf("pgraft has no operation %q", c.Operation)
	}
	return openSQL(ctx, at, do)
}

func (p *pgraft) Mark(ctx context.Context) error {
	stats, err := p.stats(ctx)
	p.begin = stats.LastIndex
	return err
}

// stats are the leader's.
func (p *pgraft) stats(ctx context.Context) (stats sqlapi.LogStats, err error) {
	leader, _, err := p.leader(ctx)
	if err != nil {
		return stats, err
	}
	err = withConn(ctx, leader, func(conn *pgx.Conn) error {
		stats, err = sqlapi.Stats(ctx, conn)
		return err
	})
	return stats, err
}

func (p *pgraft) Check(ctx context.Context, l *Ledger) error {
	end, err := p.stats(ctx)
	if err != nil {
		return err
	}
	for _, s := range p.cluster.Servers {
		err := withConn(ctx, s, func(conn *pgx.Conn) error { return p.check(ctx, conn, l, end.CommitIndex) })
		if err != nil {
			return fmt.Errorf("pgraft's %w", err)
		}
	}
	return nil
}

func (p *pgraft) check(ctx context.Context, conn *pgx.Conn, l *Ledger, last int64) error {
	// A server that was away may know that it is committed before it has it on its disk.
	err := wait.For(ctx, settleLimit, fmt.Sprintf("index %d to be there", last), func(ctx context.Context) error {
		n := 0
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pgraft_log_entries($1, $1)", last).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("it is not")
		}
		return err
	})
	if err != nil {
		return err
	}
	v := l.Inventory()
	step := int64(max(1, min(checkRows, checkBytes/l.bytes)))
	for first := p.begin + 1; first <= last; first += step {
		err := takeStock(ctx, conn, v, fmt.Sprintf("SELECT left(data, %d), md5(data) FROM pgraft_log_entries($1, $2) WHERE data IS NOT NULL", KeyBytes),
			first, min(last, first+step-1))
		if err != nil {
			return err
		}
	}
	return v.Missing()
}

// Clean has nothing to do: the log is trimmed by itself, and is not slower for what
// is in it.
func (p *pgraft) Clean(context.Context, *Ledger) error { return nil }
