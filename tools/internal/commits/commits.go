// Package commits writes unique rows to whichever server takes writes, from several sessions
// at once, as an application with libpq's several hosts does, and says what became of them:
// each commit that was acknowledged has to be there, once. Start with Create, then Run or Start;
// Check may be called again and again.
package commits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// table has no key: a row that is there twice has to show.
const table = "CREATE TABLE pgraft_commits (session int NOT NULL, number bigint NOT NULL)"

// retryPause is how long a session waits after an error before it connects again.
const retryPause = 10 * time.Millisecond

// row names a commit: the session that made it, and the how manieth of that.
type row struct {
	session int32
	number  int64
}

// Ack is a commit that was acknowledged.
type Ack struct {
	At     time.Time
	Server string // host:port, or the path of the socket, of who acknowledged it
}

// By is what one server has acknowledged.
type By struct {
	Commits     int
	First, Last time.Time // when the answers came
	Asked       time.Time // when the one was asked for that was asked for last
}

// Ledger is what clients know of their commits. Its methods may be called at once. Its memory
// grows with what is written.
type Ledger struct {
	hosts   []string
	timeout time.Duration

	mu      sync.Mutex
	acked   map[row]bool
	unknown map[row]bool // asked for, and no answer or one that leaves it open
	last    Ack
	pause   time.Duration  // the longest between two that were acknowledged, since Pause
	by      map[string]*By // by Ack.Server
	started int32          // sessions
	errs    map[string]int // by text
}

// New makes a ledger of commits on servers that listen at hosts, "host:port" each. A commit
// that takes longer than timeout is given up, with an outcome that is not known.
func New(timeout time.Duration, hosts ...string) *Ledger {
	return &Ledger{hosts: hosts, timeout: timeout, acked: map[row]bool{}, unknown: map[row]bool{},
		by: map[string]*By{}, errs: map[string]int{}}
}

// URL is how a client reaches the server that takes writes, whichever it is.
func (l *Ledger) URL() string {
	return "postgres://postgres@" + strings.Join(l.hosts, ",") + "/postgres?sslmode=disable&connect_timeout=2&target_session_attrs=read-write"
}

// Create makes the table.
func Create(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, table); err != nil {
		return fmt.Errorf("commits: %w", err)
	}
	return nil
}

// Run writes from so many sessions until ctx ends. Errors of servers are what is looked for,
// and counted (Errors); none ends the run.
func (l *Ledger) Run(ctx context.Context, sessions int) { l.RunOn(ctx, sessions, l.URL()) }

// RunOn is Run with sessions that connect to url and to nothing else.
func (l *Ledger) RunOn(ctx context.Context, sessions int, url string) {
	l.mu.Lock()
	first := l.started
	l.started += int32(sessions)
	l.mu.Unlock()
	var group errgroup.Group
	for i := range sessions {
		group.Go(func() error { l.session(ctx, first+int32(i), url); return nil })
	}
	group.Wait() // no session returns an error
}

// Start is Run, beside the caller. stop ends the sessions, and returns once they have; it may be
// called more than once.
func (l *Ledger) Start(ctx context.Context, sessions int) (stop func()) {
	return l.StartOn(ctx, sessions, l.URL())
}

// StartOn is RunOn, beside the caller.
func (l *Ledger) StartOn(ctx context.Context, sessions int, url string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.RunOn(ctx, sessions, url)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (l *Ledger) session(ctx context.Context, session int32, url string) {
	next := row{session: session}
	for ctx.Err() == nil {
		if err := l.connection(ctx, url, &next); err != nil && ctx.Err() == nil {
			l.failed(err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
}

// connection commits over one connection until that fails.
func (l *Ledger) connection(ctx context.Context, url string, next *row) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer closeIn(conn, l.timeout)
	server := conn.PgConn().Conn().RemoteAddr().String()
	for ctx.Err() == nil {
		next.number++
		if err := l.commit(ctx, conn, *next, server); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) commit(ctx context.Context, conn *pgx.Conn, r row, server string) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	asked := time.Now()
	_, err := conn.Exec(ctx, "INSERT INTO pgraft_commits VALUES ($1, $2)", r.session, r.number)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unknown[r] = true
		return err
	}
	l.acked[r] = true
	if !l.last.At.IsZero() {
		l.pause = max(l.pause, now.Sub(l.last.At))
	}
	l.last = Ack{At: now, Server: server}
	by := l.by[server]
	if by == nil {
		by = &By{First: now}
		l.by[server] = by
	}
	by.Commits, by.Last = by.Commits+1, now
	if asked.After(by.Asked) {
		by.Asked = asked
	}
	return nil
}

func (l *Ledger) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := err.Error()
	var unreached net.Error
	if errors.As(err, &unreached) { // ports and addresses differ from one to the next
		text = "connection lost"
	}
	l.errs[text]++
}

func closeIn(conn *pgx.Conn, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn.Close(ctx) // the server may be dead: then there is nothing to close
}

// Last is the newest commit that was acknowledged, and how many were.
func (l *Ledger) Last() (Ack, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, len(l.acked)
}

// Pause is the longest time without an acknowledged commit since it was called last.
func (l *Ledger) Pause() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	pause := l.pause
	l.pause = 0
	return pause
}

// By is what a server has acknowledged, by the names that Ack.Server has for it.
func (l *Ledger) By(names ...string) (all By) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		by := l.by[name]
		if by == nil {
			continue
		}
		if all.Commits == 0 || by.First.Before(all.First) {
			all.First = by.First
		}
		all.Commits += by.Commits
		if by.Last.After(all.Last) {
			all.Last = by.Last
		}
		if by.Asked.After(all.Asked) {
			all.Asked = by.Asked
		}
	}
	return all
}

// Errors are how often sessions met which error.
func (l *Ledger) Errors() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.errs)
}
