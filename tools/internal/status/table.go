package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// Write prints a report for people: a row for each node that was asked, then the
// members as the best informed of them knows them, then what is wrong.
func (r Report) Write(out io.Writer) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "asked\tnode\tworker\tleads\tterm\tcommit\tapplied\thealth")
	for _, n := range r.Nodes {
		if n.Error != "" {
			answer := "no answer"
			if n.Rejoin != nil {
				answer = "rejoins"
			}
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\t%s\n", n.Asked, answer)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", n.Asked, n.NodeID, n.WorkerState,
			yesNo(n.Leader), n.Term, n.CommitIndex, n.AppliedIndex, n.Worst())
	}
	if by, members := r.members(); by != 0 {
		fmt.Fprintf(w, "\nmembers, as node %d knows them\n", by)
		fmt.Fprintln(w, "node\taddress\tstate\tlast index\theard")
		for _, m := range members {
			heard := "-"
			if m.LastHeartbeat != nil {
				heard = *m.LastHeartbeat
			}
			fmt.Fprintf(w, "%d\t%s:%d\t%s\t%d\t%s\n", m.NodeID, m.Address, m.Port, m.State, m.LastLogIndex, heard)
		}
	}
	r.writeFailover(w)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%s\n", r.Status)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeFailover prints what each member is for failover, where servers take part.
func (r Report) writeFailover(w io.Writer) {
	by, rows := r.failover()
	if by == 0 {
		return
	}
	fmt.Fprintf(w, "\nfailover, as node %d knows it\n", by)
	fmt.Fprintln(w, "node\trole\tstate\tepoch\ttimeline\tposition\tlag\tin sync set\telectable\twhy not")
	for _, f := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.NodeID, f.Role, f.State, OrDash(f.Epoch), OrDash(f.Timeline),
			OrDash(f.Position), OrDash(f.Lag), yesNo(f.InSyncSet), yesNo(f.Electable), OrDash(f.WhyNot))
	}
}

// OrDash is *v as text, and - for nil.
func OrDash[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

// failover is what the server knows that leads or, without it, that has the latest term.
func (r Report) failover() (by int, rows []sqlapi.Failover) {
	best := r.best(func(n Node) bool { return len(n.Failover) > 0 })
	return best.NodeID, best.Failover
}

// members are those that the leader knows or, without it, the node with the
// latest term.
func (r Report) members() (by int, members []sqlapi.Status) {
	best := r.best(func(n Node) bool { return len(n.Members) > 0 })
	return best.NodeID, best.Members
}

// best is the leader or, without it, the node with the latest term, of those that know.
func (r Report) best(knows func(Node) bool) Node {
	best := Node{Term: -1}
	for _, n := range r.Nodes {
		if knows(n) && (n.Leader && !best.Leader || n.Leader == best.Leader && n.Term > best.Term) {
			best = n
		}
	}
	return best
}
