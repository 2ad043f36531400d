package systems

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

type postgres struct {
	install pgcluster.Install
	dir     string
	cluster *pgcluster.Cluster
}

// NewPostgres is a primary with two standbys, one of which must have flushed a
// transaction before it is acknowledged; its files go below dir.
func NewPostgres(install pgcluster.Install, dir string) System {
	return &postgres{install: install, dir: filepath.Join(dir, "postgres")}
}

func (p *postgres) Name() string               { return record.Postgres }
func (p *postgres) Version() string            { return p.install.Version }
func (p *postgres) Stop() error                { return stop(p.cluster) }
func (p *postgres) primary() *pgcluster.Server { return p.cluster.Servers[0] }

func (p *postgres) Start(ctx context.Context) error {
	var err error
	p.cluster, err = pgcluster.New(ctx, pgcluster.Config{Install: p.install, Nodes: 1, Dir: p.dir, Plain: true, Settings: confSettings})
	if err != nil {
		return err
	}
	if err := p.primary().Start(ctx); err != nil {
		return err
	}
	err = p.exec(ctx, "CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text NOT NULL)")
	if err != nil {
		return err
	}
	if err := p.primary().Stop(ctx); err != nil {
		return err
	}
	for range servers - 1 {
		if _, err := p.cluster.AddStandby(ctx, p.primary(), nil); err != nil {
			return err
		}
	}
	if err := p.primary().Set(map[string]string{"synchronous_standby_names": "ANY 1 (*)"}); err != nil {
		return err
	}
	if err := p.cluster.Start(ctx); err != nil {
		return err
	}
	return withConn(ctx, p.primary(), func(conn *pgx.Conn) error {
		return wait.For(ctx, settleLimit, "both standbys to stream", func(ctx context.Context) error {
			var n int
			err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'").Scan(&n)
			if err == nil && n != servers-1 {
				err = fmt.Errorf("%d do", n)
			}
			return err
		})
	})
}

func (p *postgres) exec(ctx context.Context, sql string) error {
	return withConn(ctx, p.primary(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

func (p *postgres) Epoch(context.Context) (string, error) { return "", nil } // nothing fails over

func (p *postgres) Processes() (map[string][]int, error) {
	all, err := processes(p.cluster)
	return map[string][]int{record.Servers: all}, err
}

func (p *postgres) Open(ctx context.Context, c record.Cell, l *Ledger, i int) (Session, error) {
	if c.Operation != record.Write || c.Through != record.Leader {
		return nil, fmt.Errorf("PostgreSQL has no %s through a %s", c.Operation, c.Through)
	}
	return openSQL(ctx, p.primary(), func(ctx context.Context, conn *pgx.Conn, n int) error {
		_, err := conn.Exec(ctx, "INSERT INTO entries (data) VALUES ($1)", l.Value(i, n))
		return err
	})
}

// Mark has nothing to do: the table is empty.
func (p *postgres) Mark(context.Context) error { return nil }

func (p *postgres) Check(ctx context.Context, l *Ledger) error {
	var end string
	err := withConn(ctx, p.primary(), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&end)
	})
	if err != nil {
		return err
	}
	for _, s := range p.cluster.Servers {
		err := withConn(ctx, s, func(conn *pgx.Conn) error {
			if s != p.primary() {
				if err := p.replayed(ctx, conn, end); err != nil {
					return err
				}
			}
			v := l.Inventory()
			if err := takeStock(ctx, conn, v, fmt.Sprintf("SELECT left(data, %d), md5(data) FROM entries", KeyBytes)); err != nil {
				return err
			}
			return v.Missing()
		})
		if err != nil {
			return fmt.Errorf("PostgreSQL's %w", err)
		}
	}
	return nil
}

func (p *postgres) replayed(ctx context.Context, conn *pgx.Conn, end string) error {
	return wait.For(ctx, settleLimit, "the standby to replay up to "+end, func(ctx context.Context) error {
		var done bool
		var at string
		err := conn.QueryRow(ctx, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn, pg_last_wal_replay_lsn()::text", end).Scan(&done, &at)
		if err == nil && !done {
			err = fmt.Errorf("it is at %s", at)
		}
		return err
	})
}

func (p *postgres) Clean(ctx context.Context, _ *Ledger) error {
	return p.exec(ctx, "TRUNCATE entries")
}
