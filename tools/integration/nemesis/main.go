package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/netns"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// flags are those of the command.
type flags struct {
	forSoLong time.Duration
	seed      uint64
	servers   int
	sessions  int
	kinds     string
	without   string
	pgConfig  string
	keep      string
	json      bool
	trials    bool
}

func main() {
	var f flags
	flag.DurationVar(&f.forSoLong, "for", time.Minute, "how long faults go on")
	flag.Uint64Var(&f.seed, "seed", 0, "of the plan of faults; 0: another one each time")
	flag.IntVar(&f.servers, "servers", 3, "3, or 2 with a witness")
	flag.IntVar(&f.sessions, "sessions", 8, "that commit on whichever server takes writes; one more commits beside each")
	flag.StringVar(&f.kinds, "faults", "", "only these kinds, separated by semicolons")
	flag.StringVar(&f.without, "without", "", "parts that the extension is built without, separated by commas: "+strings.Join(partNames(), ", "))
	flag.StringVar(&f.pgConfig, "pg-config", "", "pg_config of the PostgreSQL with the extension")
	flag.StringVar(&f.keep, "keep", filepath.Join("build", "nemesis"), "where logs and traces go if there is an anomaly")
	flag.BoolVar(&f.json, "json", false, "print the report as JSON")
	flag.BoolVar(&f.trials, "trials", false, "try builds without a part, one after the other: each has to be found out; -without F1;F2 tries these")
	flag.Parse()
	pgcluster.DestroyOnSignal(endAll, netns.CloseAll)
	if f.trials {
		missed, err := tries(f, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "nemesis:", err)
		}
		if err != nil || missed > 0 {
			os.Exit(1)
		}
		return
	}
	r, err := run(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "nemesis:", err)
		os.Exit(2)
	}
	if f.json {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = out.Encode(r)
	} else {
		r.print(os.Stdout)
	}
	if err != nil || len(r.Anomalies) > 0 {
		os.Exit(1)
	}
}

// run makes a cluster, breaks it, and looks at what came of it.
func run(f flags) (_ *report, err error) {
	if f.servers != 2 && f.servers != 3 {
		return nil, errors.New("-servers is 2 or 3")
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano())
	}
	r := &report{Seed: f.seed, Cluster: "three servers", Faults: map[string]int{}}
	have := three
	if f.servers == 2 {
		r.Cluster, have = "two servers and a witness", seat
	}
	if os.Geteuid() == 0 {
		have |= root
	}
	if _, err := exec.LookPath("strace"); err == nil {
		have |= strace
	}
	install, err := pgcluster.Find(f.pgConfig)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(install.BinDir, receivewal)); err == nil {
		have |= client
	}
	if f.kinds != "" {
		have |= named
	}
	var kinds []*fault
	if kinds, r.LeftOut, err = chosen(split(f.kinds, ";"), have); err != nil {
		return nil, err
	}
	r.Without = split(f.without, ",")
	if len(r.Without) > 0 {
		var remove func()
		if install, remove, err = leaveOut(install, r.Without); err != nil {
			return nil, err
		}
		defer remove()
	}
	r.Repeat = fmt.Sprintf("again: make nemesis FOR=%v NEMESIS='-seed %d -servers %d%s%s'", f.forSoLong, f.seed, f.servers, option("faults", f.kinds), option("without", f.without))
	w, err := makeWorld(context.Background(), install, f.servers, have&root != 0, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.destroy()) }()
	if err := w.torments(r, newDice(f.seed, kinds), f); err != nil {
		return nil, err
	}
	if len(r.Anomalies) > 0 {
		r.Kept = filepath.Join(f.keep, fmt.Sprintf("%d", f.seed))
		err = w.keep(r.Kept)
	}
	return r, err
}

// torments is the run, and what is found in its history.
func (w *world) torments(r *report, d *dice, f flags) error {
	w.history = newHistory()
	stop := w.works(f.sessions)
	defer stop()
	rounds, found := w.breaks(d, f.forSoLong, len(r.Without) > 0)
	if found == nil {
		if err := w.mends(true); err != nil {
			found = append(found, w.isStuck("the end", err))
		}
	}
	stop()
	w.say("the sessions have ended")
	rows, more, err := w.compares()
	if err != nil {
		return err
	}
	h := w.history
	unordered, undecided := checkRegisters(h.ops, rows)
	r.Anomalies = slices.Concat(found, more, checkServers(h.ops), checkRefused(h.ops, w.still), unordered)
	r.Took, r.Rounds, r.Undecided, r.Gaps, r.Errors = h.now(), len(rounds), undecided, gaps(rounds, h.ops), w.errs.of
	for _, x := range rounds {
		for _, s := range x.round.steps {
			r.Faults[s.fault.name]++
		}
	}
	r.counts(h.ops, rows, len(h.seen))
	return nil
}

// compares reads the rows of each server, once it has all that the primary has, and returns those
// of the primary.
func (w *world) compares() (rows []row, found []anomaly, err error) {
	primary := w.primary()
	flushed, err := w.ask(w.ctx, primary, "SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		found = append(found, w.isStuck("the rows", err))
		return nil, found, nil
	}
	for _, m := range w.members {
		err := wait.For(w.ctx, backLimit, fmt.Sprintf("node %d to have all", m.NodeID), func(ctx context.Context) error {
			got, err := w.ask(ctx, m, fmt.Sprintf("SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= '%s'", flushed))
			if err == nil && got != "t" {
				err = errors.New("it lacks some")
			}
			return err
		})
		if err != nil {
			found = append(found, w.isStuck("the rows", err))
			continue
		}
		there, err := w.rows(m)
		if err != nil {
			return nil, nil, err
		}
		if m == primary {
			rows = there
		}
		found = append(found, checkRows(m.NodeID, there, w.history.ops, w.history.seen)...)
	}
	return rows, found, nil
}

// rows are those that a server has.
func (w *world) rows(m *member) (there []row, err error) {
	conn, err := m.Conn(w.ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(w.ctx)
	found, err := conn.Query(w.ctx, "SELECT session, number FROM nemesis_rows")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[row])
}

func split(list, by string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, by)
}

func option(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(" -%s \"%s\"", name, value)
}
