//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// session is a connection that a case has beside a server.
type session struct {
	w    *world
	at   *pgcluster.Server
	conn *pgx.Conn
}

func (w *world) session(s *pgcluster.Server) *session {
	w.t.Helper()
	conn := w.conn(s)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Close(ctx) // the server may have ended it
	})
	return &session{w: w, at: s, conn: conn}
}

// try runs SQL in the simple protocol, and returns the first column of the last row.
func (s *session) try(sql string) (string, error) {
	results, err := s.conn.PgConn().Exec(s.w.ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	for _, r := range slices.Backward(results) {
		if n := len(r.Rows); n > 0 {
			return string(r.Rows[n-1][0]), nil
		}
	}
	return "", nil
}

func (s *session) run(sql string) string {
	s.w.t.Helper()
	got, err := s.try(sql)
	if err != nil {
		s.w.t.Fatalf("node %d: %s: %v", s.at.NodeID, sql, err)
	}
	return got
}

// refused runs SQL that has to fail with one of these.
func (s *session) refused(sql string, states ...string) {
	s.w.t.Helper()
	_, err := s.try(sql)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !slices.Contains(states, pgErr.Code) {
		s.w.t.Fatalf("node %d: %s: %v, want SQLSTATE %v", s.at.NodeID, sql, err, states)
	}
}

// pending is a statement that is under way.
type pending struct {
	s    *session
	sql  string
	done chan error
}

// start begins a statement, and returns at once.
func (s *session) start(sql string) *pending {
	p := &pending{s: s, sql: sql, done: make(chan error, 1)}
	go func() { _, err := s.try(sql); p.done <- err }()
	return p
}

// waits waits until the statement waits for standbys, or in the fence.
func (p *pending) waits() *pending {
	p.s.w.t.Helper()
	sql := fmt.Sprintf("SELECT coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = %d", p.s.conn.PgConn().PID())
	must(p.s.w.t, wait.Until(p.s.w.ctx, p.sql+" to wait", func(context.Context) error {
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("it has ended: %v: %w", err, wait.ErrHopeless)
		default:
		}
		got, err := p.s.w.ask(p.s.at, sql)
		if err == nil && !slices.Contains([]string{"SyncRep", "Extension", "PgraftFenceBegin", "PgraftFenceReplication", "PgraftFenceAcknowledge"}, got) {
			err = fmt.Errorf("it is in %q", got)
		}
		return err
	}))
	return p
}

// end waits for what came of it.
func (p *pending) end() error {
	p.s.w.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-p.s.w.ctx.Done():
		p.s.w.t.Fatalf("%s does not end", p.sql)
		return nil
	}
}

// fails checks that its client was told that it failed, or nothing.
func (p *pending) fails() {
	p.s.w.t.Helper()
	err := p.end()
	p.s.w.t.Logf("node %d: %s: %v", p.s.at.NodeID, p.sql, err)
	if err == nil {
		p.s.w.t.Errorf("node %d: %s: its client is told that it succeeded", p.s.at.NodeID, p.sql)
	}
}

func (p *pending) succeeds() {
	p.s.w.t.Helper()
	if err := p.end(); err != nil {
		p.s.w.t.Errorf("node %d: %s: %v", p.s.at.NodeID, p.sql, err)
	}
}

func insert(v string) string { return "INSERT INTO rows VALUES ('" + v + "')" }

func count(v string) string { return "SELECT count(*) FROM rows WHERE v = '" + v + "'" }

// shows says what is wrong if a server does not show a row so often.
func (w *world) shows(s *pgcluster.Server, v, times string) error {
	got, err := w.ask(s, count(v))
	if err == nil && got != times {
		err = fmt.Errorf("node %d shows %q %s times", s.NodeID, v, got)
	}
	return err
}

// hides checks that a server does not show a row, or shows nothing at all.
func (w *world) hides(s *pgcluster.Server, v string) {
	w.t.Helper()
	got, err := w.ask(s, count(v))
	var pgErr *pgconn.PgError
	if err == nil && got != "0" || err != nil && (!errors.As(err, &pgErr) || pgErr.Code != "57P03") {
		w.t.Errorf("node %d shows %q: %s, %v", s.NodeID, v, got, err)
	}
}
