// Package bench is `pgraft bench`: sessions that replicate entries as fast as a
// cluster takes them, and how long each waited. Call Run. Drive is what it stands
// on, also for the comparison with other systems (tools/bench).
package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

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

// client is a session that replicates entries.
type client struct {
	target string
	conn   *pgx.Conn
	data   string
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
		c := &client{target: o.Targets[i%len(o.Targets)], data: strings.Repeat("x", o.Size)}
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
	sessions := make([]Session, len(clients))
	for i, c := range clients {
		sessions[i] = c
	}
	taken, _, err := Drive(ctx, Window{Length: o.Duration}, sessions)
	if ctx.Err() != nil {
		return Result{}, errors.New("interrupted")
	}
	if err != nil {
		return Result{}, err
	}
	return sum(Sum(taken), o)
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

// Ready connects again what was cut off.
func (c *client) Ready(ctx context.Context) error {
	if !c.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.Connect(ctx, c.target)
	if err == nil {
		c.conn = conn
	}
	return err
}

// Do replicates one entry.
func (c *client) Do(ctx context.Context, _ int) error {
	return sqlapi.Replicate(ctx, c.conn, c.data)
}

func sum(all Taken, o Options) (Result, error) {
	r := Result{Clients: o.Clients, EntryBytes: o.Size, Seconds: o.Duration.Seconds(), Failed: all.Failed, Entries: len(all.Took)}
	if r.Entries == 0 {
		if all.Last == nil {
			all.Last = errors.New("it took longer than --duration")
		}
		return r, fmt.Errorf("no entry was acknowledged; the last error: %w", all.Last)
	}
	r.PerSecond = float64(r.Entries) / r.Seconds
	r.Latency = LatencyOf(all.Took)
	return r, nil
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
