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
	"slices"
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
	Server string // host:port of who acknowledged it
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
	turns   []Ack
	errs    map[string]int // by text
}

// New makes a ledger of commits on servers that listen at hosts, "host:port" each. A commit
// that takes longer than timeout is given up, with an outcome that is not known.
func New(timeout time.Duration, hosts ...string) *Ledger {
	return &Ledger{hosts: hosts, timeout: timeout, acked: map[row]bool{}, unknown: map[row]bool{}, errs: map[string]int{}}
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
func (l *Ledger) Run(ctx context.Context, sessions int) {
	var group errgroup.Group
	for i := range sessions {
		group.Go(func() error { l.session(ctx, int32(i)); return nil })
	}
	group.Wait() // no session returns an error
}

// Start is Run, beside the caller. stop ends the sessions, and returns once they have; it may be
// called more than once.
func (l *Ledger) Start(ctx context.Context, sessions int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx, sessions)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (l *Ledger) session(ctx context.Context, session int32) {
	next := row{session: session}
	for ctx.Err() == nil {
		if err := l.connection(ctx, &next); err != nil && ctx.Err() == nil {
			l.failed(err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
}

// connection commits over one connection until that fails.
func (l *Ledger) connection(ctx context.Context, next *row) error {
	conn, err := pgx.Connect(ctx, l.URL())
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
	_, err := conn.Exec(ctx, "INSERT INTO pgraft_commits VALUES ($1, $2)", r.session, r.number)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unknown[r] = true
		return err
	}
	l.acknowledged(r, Ack{At: now, Server: server})
	return nil
}

func (l *Ledger) acknowledged(r row, ack Ack) {
	l.acked[r] = true
	if l.last.Server != ack.Server {
		l.turns = append(l.turns, ack)
	}
	l.last = ack
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

// Turns are the commits that were acknowledged by another server than the one before them,
// the very first included, in order.
func (l *Ledger) Turns() []Ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.turns)
}

// Errors are how often sessions met which error.
func (l *Ledger) Errors() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.errs)
}
