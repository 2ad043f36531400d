package systems

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// confSettings are those of every PostgreSQL server: the default where
// pgcluster's own is smaller, and room for the sessions.
var confSettings = map[string]string{"max_connections": "300", "shared_buffers": "128MB"}

// sqlSession runs one statement again and again.
type sqlSession struct {
	conn *pgx.Conn
	do   func(ctx context.Context, conn *pgx.Conn, n int) error
}

func openSQL(ctx context.Context, s *pgcluster.Server, do func(ctx context.Context, conn *pgx.Conn, n int) error) (Session, error) {
	conn, err := s.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &sqlSession{conn: conn, do: do}, nil
}

func (s *sqlSession) Ready(context.Context) error {
	if s.conn.IsClosed() {
		return errors.New("the connection was lost")
	}
	return nil
}

func (s *sqlSession) Do(ctx context.Context, n int) error { return s.do(ctx, s.conn, n) }

func (s *sqlSession) Close(ctx context.Context) error { return s.conn.Close(ctx) }

// queryOne runs a query that answers with one value, whatever it is.
func queryOne(sql string) func(ctx context.Context, conn *pgx.Conn, n int) error {
	return func(ctx context.Context, conn *pgx.Conn, _ int) error {
		var v any
		return conn.QueryRow(ctx, sql).Scan(&v)
	}
}

// withConn connects to a server for one use.
func withConn(ctx context.Context, s *pgcluster.Server, do func(conn *pgx.Conn) error) (err error) {
	conn, err := s.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := do(conn); err != nil {
		return fmt.Errorf("server %d: %w", s.NodeID, err)
	}
	return nil
}

// takeStock reads keys and sums of values into an inventory.
func takeStock(ctx context.Context, conn *pgx.Conn, v *Inventory, sql string, args ...any) error {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	var key, sum string
	_, err = pgx.ForEachRow(rows, []any{&key, &sum}, func() error { return v.Found(key, sum) })
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// processes lists those of all servers.
func processes(c *pgcluster.Cluster) ([]int, error) {
	var all []int
	for _, s := range c.Servers {
		pids, err := s.Processes()
		if err != nil {
			return nil, err
		}
		all = append(all, pids...)
	}
	return all, nil
}

// stop destroys a cluster, if there is one.
func stop(c *pgcluster.Cluster) error {
	if c == nil {
		return nil
	}
	return c.Destroy()
}
