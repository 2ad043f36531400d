// Package bench is `pgraft bench`: sessions that replicate entries as fast as a
// cluster takes them, and how long each waited. Call Run.
package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// Bounds of Options.
const (
	MaxClients = 1000
	MaxSize    = 16 << 20 // bytes, the largest pgraft.max_entry_size
)

// Options say what to measure.
type Options struct {
	Targets  []string      // connection strings; sessions take turns at them
	Clients  int           // sessions, 1..MaxClients
	Duration time.Duration // of the measurement
	Size     int           // bytes of an entry, 1..MaxSize
	Force    bool          // also where an apply function would get the entries
}

func (o Options) validate() error {
	switch {
	case o.Clients < 1 || o.Clients > MaxClients:
		return fmt.Errorf("--clients %d: want 1 to %d", o.Clients, MaxClients)
	case o.Duration <= 0:
		return fmt.Errorf("--duration %v: must be positive", o.Duration)
	case o.Size < 1 || o.Size > MaxSize:
		return fmt.Errorf("--size %d: want 1 to %d bytes", o.Size, MaxSize)
	}
	return nil
}

// Result is what a run measured; its JSON form is the output of --json.
type Result struct {
	Clients    int            `json:"clients"`
	EntryBytes int            `json:"entry_bytes"`
	Seconds    float64        `json:"seconds"`
	Entries    int            `json:"entries"` // that were acknowledged
	Failed     map[string]int `json:"failed"`  // by SQLSTATE, or "connection"
	PerSecond  float64        `json:"entries_per_second"`
	Latency    Latency        `json:"latency_ms"`
}

// Latency is of the entries that were acknowledged, from the session's side, in
// milliseconds.
type Latency struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// client is one session and what came of its entries.
type client struct {
	target string
	conn   *pgx.Conn
	data   string
	took   []time.Duration
	failed map[string]int
	last   error
}

// Run opens all sessions, then measures. The error is of a session that could not
// be opened at the start, of a cluster that must not be written to, or of the last
// entry if none was acknowledged.
func Run(ctx context.Context, o Options) (_ Result, err error) {
	if err := o.validate(); err != nil {
		return Result{}, err
	}
	clients := make([]*client, o.Clients)
	defer func() {
		for _, c := range clients {
			if c != nil && c.conn != nil {
				err = errors.Join(err, c.conn.Close(context.WithoutCancel(ctx)))
			}
		}
	}()
	for i := range clients {
		c := &client{target: o.Targets[i%len(o.Targets)], data: strings.Repeat("x", o.Size), failed: map[string]int{}}
		clients[i] = c
		if c.conn, err = pgx.Connect(ctx, c.target); err != nil {
			return Result{}, err
		}
		if i < len(o.Targets) && !o.Force {
			if err := mayWrite(ctx, c.conn); err != nil {
				return Result{}, err
			}
		}
	}
	end := time.Now().Add(o.Duration)
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { c.run(ctx, end) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return Result{}, errors.New("interrupted")
	}
	return sum(clients, o)
}

// mayWrite refuses where a function of the site's would be called with the
// entries.
func mayWrite(ctx context.Context, conn *pgx.Conn) error {
	var function *string
	if err := conn.QueryRow(ctx, "SELECT function FROM pgraft_stat_apply").Scan(&function); err != nil {
		return err
	}
	if function != nil {
		return fmt.Errorf("the apply function %s would get the entries: measure another cluster, or say --force", *function)
	}
	return nil
}

// reconnectPause keeps a session from dialling a dead server all the time.
const reconnectPause = 100 * time.Millisecond

// run replicates one entry after the other until end. One that is under way then
// is waited for, as cancelling it would leave a warning in the server's log, and
// counts for nothing.
func (c *client) run(ctx context.Context, end time.Time) {
	for ctx.Err() == nil && time.Now().Before(end) {
		if c.conn.IsClosed() {
			c.reconnect(ctx)
			continue
		}
		began := time.Now()
		err := sqlapi.Replicate(ctx, c.conn, c.data)
		switch now := time.Now(); {
		case err != nil && ctx.Err() == nil:
			c.fail(err)
		case err == nil && now.Before(end):
			c.took = append(c.took, now.Sub(began))
		}
	}
}

func (c *client) reconnect(ctx context.Context) {
	conn, err := pgx.Connect(ctx, c.target)
	if err == nil {
		c.conn = conn
		return
	}
	c.fail(err)
	select { // a pace, for a server that is away
	case <-time.After(reconnectPause):
	case <-ctx.Done():
	}
}

func (c *client) fail(err error) {
	c.last = err
	state := "connection"
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		state = pg.Code
	}
	c.failed[state]++
}

func sum(clients []*client, o Options) (Result, error) {
	r := Result{Clients: o.Clients, EntryBytes: o.Size, Seconds: o.Duration.Seconds(), Failed: map[string]int{}}
	var all []time.Duration
	var last error
	for _, c := range clients {
		all = append(all, c.took...)
		for state, n := range c.failed {
			r.Failed[state] += n
		}
		if c.last != nil {
			last = c.last
		}
	}
	r.Entries = len(all)
	if r.Entries == 0 && last == nil {
		last = errors.New("it took longer than --duration")
	}
	if r.Entries == 0 {
		return r, fmt.Errorf("no entry was acknowledged; the last error: %w", last)
	}
	r.PerSecond = float64(r.Entries) / r.Seconds
	r.Latency = latency(all)
	return r, nil
}

// latency is of at least one entry.
func latency(all []time.Duration) Latency {
	slices.Sort(all)
	var total time.Duration
	for _, d := range all {
		total += d
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	at := func(permille int) float64 { // the least that so many are not over
		return ms(all[max(0, (len(all)*permille+999)/1000-1)])
	}
	return Latency{Min: ms(all[0]), Mean: ms(total) / float64(len(all)), P50: at(500), P90: at(900), P99: at(990), P999: at(999),
		Max: ms(all[len(all)-1])}
}

// Text is the result for people.
func (r Result) Text() string {
	var b strings.Builder
	l := r.Latency
	fmt.Fprintf(&b, "%d sessions, entries of %d bytes, %.1f s\n", r.Clients, r.EntryBytes, r.Seconds)
	fmt.Fprintf(&b, "entries   %d acknowledged, %.0f a second\n", r.Entries, r.PerSecond)
	for i, state := range slices.Sorted(maps.Keys(r.Failed)) {
		if i == 0 {
			b.WriteString("failed   ")
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d with %s", r.Failed[state], state)
	}
	if len(r.Failed) > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "latency   min %.1f  mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f ms\n",
		l.Min, l.Mean, l.P50, l.P90, l.P99, l.P999, l.Max)
	return b.String()
}
