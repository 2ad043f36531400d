package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// How long a cluster may take once nothing is wrong with its machines any more.
const (
	openLimit = 60 * time.Second  // to acknowledge commits
	backLimit = 120 * time.Second // to have all members back
)

// took is what a round came to.
type took struct {
	round    round
	from, to time.Duration // until commits were acknowledged again
}

// breaks plays rounds for so long, or until something is stuck, or, where that is looked for after
// each, there is an anomaly.
func (w *world) breaks(d *dice, forSoLong time.Duration, looks bool) (rounds []took, found []anomaly) {
	if err := w.acknowledges(w.ctx, openLimit, 50); err != nil {
		return nil, []anomaly{w.isStuck("commits before the first fault", err)}
	}
	for until := w.history.now() + forSoLong; w.ctx.Err() == nil && w.history.now() < until; {
		r := d.round()
		w.say("round %d: %v", len(rounds)+1, r)
		from := w.history.now()
		var group sync.WaitGroup
		for _, s := range r.steps {
			group.Go(func() {
				pause(w.ctx, s.after)
				w.do(w.ctx, s)
			})
		}
		group.Wait()
		if err := w.mends(r.settles); err != nil && w.ctx.Err() == nil {
			return rounds, []anomaly{w.isStuck(r.String(), err)}
		}
		rounds = append(rounds, took{r, from, w.history.now()})
		if looks && len(w.soFar()) > 0 {
			w.say("there is an anomaly")
			break
		}
		pause(w.ctx, r.rest)
	}
	return rounds, nil
}

// soFar is what is wrong with the operations that have ended, while the sessions go on.
func (w *world) soFar() (found []anomaly) {
	ended, shown := w.history.soFar()
	there, err := w.rows(w.primary())
	if err != nil {
		return nil // it is no primary any more: the next look, or the last one, will see
	}
	for _, a := range checkRows(w.primary().NodeID, there, ended, shown) {
		if a.Kind != strange { // others go on writing
			found = append(found, a)
		}
	}
	return slices.Concat(found, checkServers(ended), checkRefused(ended, w.still))
}

// mends ends what is left of faults, starts what does not run, and waits for commits, and for all
// members if asked to.
func (w *world) mends(all bool) error {
	n, _ := w.history.acknowledged()
	var errs []error
	if w.net != nil {
		for _, s := range w.cluster.Servers {
			errs = append(errs, w.heal(s.NodeID))
		}
	}
	errs = append(errs, endSlowDisk(w, w.ctx, nil), w.endImpostors(), w.tidies())
	if w.witness != nil {
		errs = append(errs, w.witness.start(), w.witness.signal(syscall.SIGCONT))
	}
	for _, m := range w.members {
		errs = append(errs, goOn(w, w.ctx, m))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	for _, m := range w.members {
		group.Go(func() { w.keepsUp(ctx, m) })
	}
	defer group.Wait()
	defer cancel()
	if err := w.acknowledges(w.ctx, openLimit, n+10); err != nil || !all {
		return err
	}
	return w.allBack(w.ctx)
}

// keepsUp starts a server whenever it does not run.
func (w *world) keepsUp(ctx context.Context, m *member) {
	for ctx.Err() == nil {
		if err := startServer(w, ctx, m); err != nil && ctx.Err() == nil {
			w.say("node %d does not start: %v", m.NodeID, firstLine(err))
		}
		pause(ctx, time.Second)
	}
}

// acknowledges waits until so many operations were.
func (w *world) acknowledges(ctx context.Context, limit time.Duration, n int) error {
	return wait.For(ctx, limit, fmt.Sprintf("%d acknowledged operations", n), func(context.Context) error {
		if now, last := w.history.acknowledged(); now < n {
			return fmt.Errorf("there are %d, the last on node %d", now, last.Server)
		}
		return nil
	})
}

// allBack waits until each member of the primary's streams, or says why not, and each server is a
// member.
func (w *world) allBack(ctx context.Context) error {
	sql := fmt.Sprintf("SELECT count(*) FILTER (WHERE state IN ('serving', 'streaming', 'running')) || ' of ' || count(*) || " +
		"coalesce(', ' || string_agg(node_id || ': ' || state || ', ' || coalesce(why_not, 'does not say why'), '; ' ORDER BY node_id) " +
		"FILTER (WHERE state NOT IN ('serving', 'streaming', 'running')), '') FROM pgraft_stat_failover")
	want := fmt.Sprintf("%d of %[1]d", len(w.cluster.Servers))
	return wait.For(ctx, backLimit, "all members to be back", func(ctx context.Context) error {
		got, err := w.ask(ctx, w.primary(), sql)
		if err == nil && got != want {
			err = errors.New(got)
		}
		return err
	})
}

// isStuck says what the servers say.
func (w *world) isStuck(what string, err error) anomaly {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", what, err)
	for _, m := range w.members {
		fmt.Fprintf(&b, "\n  node %d: %s", m.NodeID, w.says(m))
	}
	return anomaly{stuck, w.history.now(), b.String()}
}

// says is what a server has in pgraft_stat_failover. One that shows no data answers nothing more than that.
func (w *world) says(m *member) string {
	ctx, cancel := context.WithTimeout(w.ctx, askLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, m.SocketURL())
	if err != nil {
		return err.Error()
	}
	defer conn.Close(ctx)
	all, err := sqlapi.StatFailover(ctx, conn)
	if err != nil {
		return err.Error()
	}
	var rows []string
	for _, x := range all {
		why := ""
		if x.WhyNot != nil {
			why = ": " + *x.WhyNot
		}
		rows = append(rows, fmt.Sprintf("node %d is a %s, %s%s", x.NodeID, x.Role, x.State, why))
	}
	return strings.Join(rows, "; ")
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
