// Package record keeps what a benchmark measured, round by round, in a directory of
// JSON files: environment.json says where and with what, round-001.json and so on
// what came out. Open makes or goes on with such a directory, Read only reads it.
package record

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pgraft/pgraft/tools/internal/bench"
)

// Systems that are measured.
const (
	Pgraft   = "pgraft"
	Postgres = "PostgreSQL"
	Etcd     = "etcd"
	Machine  = "machine" // what bounds them all
)

// Operations of the systems.
const (
	Write     = "write"
	Idle      = "idle" // of no session
	SelectOne = "SELECT 1"
	IsLeader  = "pgraft_is_leader"
	GetLeader = "pgraft_get_leader"
	GetTerm   = "pgraft_get_term"
	Barrier   = "read barrier" // pgraft_read_barrier
	Get       = "linearizable get"
)

// What is done to the leader of a system: its server is killed with SIGKILL, stands still
// (SIGSTOP), is stopped in order; or leadership is handed over.
const (
	Kill     = "kill"
	Silence  = "silence"
	FastStop = "fast stop"
	Transfer = "transfer"
)

// Strikes says whether an operation is one of these.
func Strikes(operation string) bool {
	return slices.Contains([]string{Kill, Silence, FastStop, Transfer}, operation)
}

// Operations on a log that has grown.
const (
	Held    = "held"     // a log of so many entries: its restart, its memory, how it is read
	CatchUp = "catch up" // a follower that missed so many entries is back
)

// Operations of the machine.
const (
	Sync      = "append and fdatasync"
	RoundTrip = "TCP round trip"
)

// Where a session is connected.
const (
	Leader   = "leader"
	Follower = "follower"
)

// Cell is one thing that is measured once in each round.
type Cell struct {
	System    string `json:"system"`
	Operation string `json:"operation"`
	Through   string `json:"through,omitempty"` // Leader, Follower or empty; of a strike, the timings
	Bytes     int    `json:"bytes,omitempty"`   // of a value
	Sessions  int    `json:"sessions"`
	Nodes     int    `json:"nodes,omitempty"`   // 0: three
	Entries   int    `json:"entries,omitempty"` // of Held and CatchUp
}

// String names the cell, as --only is matched with it: write/256B/8/pgraft/leader. Of a
// log that has grown the number of its entries comes before that of sessions.
func (c Cell) String() string {
	s := c.Operation
	if c.Bytes > 0 {
		s += fmt.Sprintf("/%dB", c.Bytes)
	}
	if c.Entries > 0 {
		s += fmt.Sprintf("/%d", c.Entries)
	}
	s += fmt.Sprintf("/%d/%s", c.Sessions, c.System)
	if c.Through != "" {
		s += "/" + c.Through
	}
	switch {
	case c.Nodes == 1:
		s += "/1 node"
	case c.Nodes > 1:
		s += fmt.Sprintf("/%d nodes", c.Nodes)
	}
	return s
}

// Parts of a system, and of the machine, that CPU and memory are told of.
const (
	Servers = "servers" // all processes of the three servers
	Engines = "engines" // of these, pgraft's engine workers
	Client  = "client"  // the benchmark itself
	Others  = "others"  // everything else on the machine, the other systems at rest included
	Stolen  = "stolen"  // by the hypervisor
)

// Sample is what was measured of a cell in one round.
type Sample struct {
	Cell
	At         time.Time          `json:"at"`      // the end
	Seconds    float64            `json:"seconds"` // of the window
	Operations int                `json:"operations"`
	Failed     map[string]int     `json:"failed,omitempty"` // by SQLSTATE, gRPC code or "connection"
	PerSecond  float64            `json:"per_second"`
	Latency    bench.Latency      `json:"latency_ms"`
	CPU        map[string]float64 `json:"cpu_seconds"`            // in the window, by part
	Memory     map[string]int64   `json:"memory_bytes,omitempty"` // PSS at its end, by part
	// of a strike: the longest time without an acknowledged write, in milliseconds
	Gap float64 `json:"without_commits_ms,omitempty"`
	// acknowledged writes, those of the warm-up included, that were found on every server
	Verified int      `json:"verified,omitempty"`
	Written  int64    `json:"written_bytes,omitempty"` // by the servers to their disk, in the window
	Load     float64  `json:"load,omitempty"`          // the machine's before, over a minute; of Held and CatchUp
	Log      *Log     `json:"log,omitempty"`           // of Held
	CaughtUp *Absence `json:"caught_up,omitempty"`     // of CatchUp
}

// Round is one round.
type Round struct {
	Number  int      `json:"round"`
	Samples []Sample `json:"samples"`
}

// Find returns the sample of a cell, nil if there is none.
func (r *Round) Find(c Cell) *Sample {
	for i := range r.Samples {
		if r.Samples[i].Cell == c {
			return &r.Samples[i]
		}
	}
	return nil
}

// Method is what Environment.Method is today: another number when lines are measured
// in another way, so that their results are not mixed.
const Method = 1

// Environment says what the results depend on beside chance.
type Environment struct {
	Method      int     `json:"method"`
	Label       string  `json:"label"` // which pgraft
	Processor   string  `json:"processor"`
	Processors  int     `json:"processors"`
	MemoryBytes int64   `json:"memory_bytes"`
	Kernel      string  `json:"kernel"`
	FileSystem  string  `json:"file_system"` // of the servers' directories
	Postgres    string  `json:"postgres"`
	Pgraft      string  `json:"pgraft"`
	Etcd        string  `json:"etcd"`
	Warmup      float64 `json:"warmup_seconds"`
	Window      float64 `json:"window_seconds"`
	Growth      bool    `json:"growth,omitempty"` // the lines are those of growth
}

// Run is all that a directory holds.
type Run struct {
	Dir         string
	Environment Environment
	Rounds      []*Round // by number
}

const environmentFile = "environment.json"

func roundFile(n int) string { return fmt.Sprintf("round-%03d.json", n) }

// ErrNone is the error of Read where there are no results.
var ErrNone = errors.New("no results")

// Read reads a directory.
func Read(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	err := readJSON(filepath.Join(dir, environmentFile), &r.Environment)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s (it has no %s)", ErrNone, dir, environmentFile)
	}
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "round-*.json"))
	if err != nil {
		return nil, fmt.Errorf("results in %s: %w", dir, err)
	}
	for _, path := range files {
		round := &Round{}
		if err := readJSON(path, round); err != nil {
			return nil, err
		}
		r.Rounds = append(r.Rounds, round)
	}
	slices.SortFunc(r.Rounds, func(a, b *Round) int { return cmp.Compare(a.Number, b.Number) })
	return r, nil
}

// Open goes on with a directory that was measured in the same environment, or begins
// a new one.
func Open(dir string, env Environment) (*Run, error) {
	r, err := Read(dir)
	if errors.Is(err, ErrNone) {
		r = &Run{Dir: dir, Environment: env}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("results: %w", err)
		}
		return r, writeJSON(filepath.Join(dir, environmentFile), env)
	}
	if err != nil {
		return nil, err
	}
	if r.Environment != env {
		return nil, fmt.Errorf("the results in %s are of another environment, name another directory with --out or remove it:\n"+
			"there %+v\nhere  %+v", dir, r.Environment, env)
	}
	return r, nil
}

// HasStrikes says that this is about what was done to leaders, not about rates.
func (r *Run) HasStrikes() bool {
	for _, round := range r.Rounds {
		for _, s := range round.Samples {
			if Strikes(s.Operation) {
				return true
			}
		}
	}
	return false
}

// Round returns the round of a number, which may be new.
func (r *Run) Round(number int) *Round {
	for _, round := range r.Rounds {
		if round.Number == number {
			return round
		}
	}
	round := &Round{Number: number}
	r.Rounds = append(r.Rounds, round)
	return round
}

// Add keeps one more sample of a round, on disk too.
func (r *Run) Add(round *Round, s Sample) error {
	round.Samples = append(round.Samples, s)
	return writeJSON(filepath.Join(r.Dir, roundFile(round.Number)), round)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("results: %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file at once, so that none is ever seen half written.
func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return fmt.Errorf("results: %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}
