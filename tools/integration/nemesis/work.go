package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What clients do: the sessions commit no faster than the pace, so that the machine has time for the
// servers.
const (
	patience   = 3 * time.Second        // with one statement
	fenceWait  = 500 * time.Millisecond // pgraft.fence_wait
	pace       = 20 * time.Millisecond
	errorPace  = 100 * time.Millisecond // after an error
	lookPace   = 50 * time.Millisecond  // of those who only look
	cancelPace = time.Second            // of those who cancel
	keyFor     = 2 * time.Second        // a register is used: few operations make a short search
	registers  = 2                      // at a time
)

// tables have no key for rows: a row that is there twice has to show.
const tables = "CREATE TABLE nemesis_rows (session int NOT NULL, number bigint NOT NULL); " +
	"CREATE TABLE nemesis_registers (key int PRIMARY KEY, session int, number bigint, reads int NOT NULL DEFAULT 0)"

// timeline is that which a server writes now.
const timeline = "('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int"

// session is one client.
type session struct {
	w       *world
	number  int32
	url     string
	beside  int // the node that it stays with; 0: whoever takes writes
	kinds   []kind
	setting string // run once connected
	next    int64
	conn    *pgconn.PgConn
}

// works has the sessions work until the function is called, which returns once they have ended.
func (w *world) works(sessions int) (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	number := int32(0)
	add := func(s session) {
		number++
		s.w, s.number = w, number
		group.Go(func() { s.run(ctx) })
	}
	for i := range sessions {
		kinds := []kind{insert}
		if i%2 == 1 {
			kinds = []kind{write, read}
		}
		add(session{url: w.url(), kinds: kinds})
	}
	for i, m := range w.members {
		add(session{url: m.SocketURL(), beside: m.NodeID, kinds: []kind{insert}, setting: []string{"", "SET synchronous_commit = local"}[i%2]})
		group.Go(func() { w.looks(ctx, m) })
		group.Go(func() { w.cancels(ctx, m) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// url is how clients reach the server that takes writes.
func (w *world) url() string {
	var hosts []string
	for _, m := range w.members {
		hosts = append(hosts, m.Host())
	}
	return "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable&connect_timeout=2&target_session_attrs=read-write"
}

func (s *session) run(ctx context.Context) {
	defer func() { s.close() }()
	for ctx.Err() == nil {
		if err := s.operate(ctx); err != nil {
			s.w.errs.add(err)
			if s.conn == nil || s.conn.IsClosed() || s.conn.TxStatus() != 'I' {
				s.close()
			}
			pause(ctx, errorPace)
		}
		pause(ctx, pace)
	}
}

// pause is the clients' pace, not a wait for something.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *session) close() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Close(ctx) // the server may be dead: then there is nothing to close
	s.conn = nil
}

// connect returns a connection, and whose.
func (s *session) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	conn, err := pgconn.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	s.conn = conn
	if s.setting != "" {
		_, err = conn.Exec(ctx, s.setting).ReadAll()
	}
	return err
}

// server is the node that the session is connected with.
func (s *session) server() int {
	if s.beside != 0 {
		return s.beside
	}
	at := s.conn.Conn().RemoteAddr().String()
	for _, m := range s.w.members {
		if m.Host() == at {
			return m.NodeID
		}
	}
	return 0
}

// operate does one operation: COMMIT is sent by itself, so that when it was asked for is known well.
func (s *session) operate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return err
	}
	s.next++
	h := s.w.history
	o := op{Kind: s.kinds[int(s.next)%len(s.kinds)], Row: row{s.number, s.next}, Beside: s.beside != 0, Server: s.server(), Began: h.now()}
	o.Key = int(o.Began/keyFor)*registers + int(s.next/2)%registers
	err := s.begin(ctx, &o)
	if err == nil {
		o.Asked = h.now()
		err = s.commit(ctx)
	}
	o.Ended = h.now()
	o.Outcome = outcomeOf(err, o.Asked != 0)
	if err != nil {
		o.Error = err.Error()
	}
	h.add(o)
	if err != nil && !s.conn.IsClosed() {
		s.exec(ctx, "ROLLBACK") // if it fails the connection is closed
	}
	return err
}

// begin does everything but the commit.
func (s *session) begin(ctx context.Context, o *op) error {
	rows := fmt.Sprintf("INSERT INTO nemesis_rows VALUES (%d, %d) RETURNING %s", o.Row.Session, o.Row.Number, timeline)
	var sql string
	switch o.Kind {
	case insert:
		sql = rows
	case write:
		sql = fmt.Sprintf("INSERT INTO nemesis_registers VALUES (%d, %d, %d) ON CONFLICT (key) DO UPDATE SET session = excluded.session, number = excluded.number; %s",
			o.Key, o.Row.Session, o.Row.Number, rows)
	case read:
		sql = fmt.Sprintf("INSERT INTO nemesis_registers AS r (key) VALUES (%d) ON CONFLICT (key) DO UPDATE SET reads = r.reads + 1 RETURNING %s, coalesce(session, 0), coalesce(number, 0)",
			o.Key, timeline)
	}
	got, err := s.exec(ctx, "BEGIN; "+sql)
	if err != nil {
		return err
	}
	line, err := strconv.ParseUint(got[0], 10, 32)
	if err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	o.Timeline = uint32(line)
	if o.Kind == read {
		if _, err := fmt.Sscan(got[1]+" "+got[2], &o.Read.Session, &o.Read.Number); err != nil {
			return fmt.Errorf("register: %w", err)
		}
	}
	return nil
}

func (s *session) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results, err := s.conn.Exec(ctx, "COMMIT").ReadAll()
	if err == nil && results[0].CommandTag.String() != "COMMIT" {
		return fmt.Errorf("COMMIT is answered with %s", results[0].CommandTag)
	}
	return err
}

// exec returns the last row.
func (s *session) exec(ctx context.Context, sql string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return rowOf(s.conn.Exec(ctx, sql).ReadAll())
}

// rowOf is the last row of a script.
func rowOf(results []*pgconn.Result, err error) (values []string, _ error) {
	if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
		return nil, err
	}
	for _, v := range results[len(results)-1].Rows[0] {
		values = append(values, string(v))
	}
	return values, nil
}

// outcomeOf is what a client knows: of a commit that was refused, before anything of it was written,
// that it has not happened.
func outcomeOf(err error, asked bool) outcome {
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return acked
	case !asked, errors.As(err, &pgErr) && pgErr.Code == "25006":
		return refused
	}
	return unknown
}

// looks reads, beside a server, what that shows while it is no standby.
func (w *world) looks(ctx context.Context, m *member) {
	const sql = "SELECT coalesce(session, 0), coalesce(number, 0) FROM nemesis_registers WHERE NOT pg_is_in_recovery() ORDER BY key DESC LIMIT 2"
	s := session{w: w, url: m.SocketURL()}
	defer s.close()
	look := func() error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := s.connect(ctx); err != nil {
			return err
		}
		at := w.history.now()
		results, err := s.conn.Exec(ctx, sql).ReadAll()
		if err != nil {
			return err
		}
		for _, r := range results[0].Rows {
			x := seen{Server: m.NodeID, At: at}
			if _, err := fmt.Sscan(string(r[0])+" "+string(r[1]), &x.Row.Session, &x.Row.Number); err != nil {
				return err
			}
			if x.Row.Session != 0 {
				w.history.sees(x)
			}
		}
		return nil
	}
	for ctx.Err() == nil {
		if err := look(); err != nil {
			s.close()
		}
		pause(ctx, lookPace)
	}
}

// cancels has people cancel commits that wait: by turns the statement, and the session.
func (w *world) cancels(ctx context.Context, m *member) {
	const sql = "SELECT count(%s(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query = 'COMMIT' AND " +
		"now() - query_start > '200ms' ORDER BY query_start LIMIT 1) waits"
	for turn := 0; ctx.Err() == nil; turn++ {
		w.ask(ctx, m, fmt.Sprintf(sql, []string{"pg_cancel_backend", "pg_terminate_backend"}[turn%2])) // a server that is away has nobody to cancel
		pause(ctx, cancelPace)
	}
}

// ask runs SQL over a connection of its own beside a server, and returns the first value of the last row.
func (w *world) ask(ctx context.Context, m *member, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, m.SocketURL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	got, err := rowOf(conn.PgConn().Exec(ctx, sql).ReadAll())
	if err != nil || len(got) == 0 {
		return "", err
	}
	return got[0], nil
}
