package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// anomaly is something that a client was told, or saw, and that is not so.
type anomaly struct {
	Kind string        `json:"kind"`
	At   time.Duration `json:"at_ns"`
	Text string        `json:"text"`
}

// Kinds of anomalies.
const (
	lost         = "lost"           // an acknowledged commit is not there
	twice        = "twice"          // a row is there more than once
	strange      = "strange"        // a row that nobody wrote, or whose commit was refused
	vanished     = "seen, and gone" // a row that a primary showed is not there
	twoServers   = "two servers"    // an earlier epoch acknowledged after a later one had
	notRefused   = "not refused"    // a commit was left open by a server that could have refused it
	unexplained  = "unexplained"    // a register's operations have no order that explains them
	stuck        = "stuck"          // nobody takes writes, or a member does not come back and does not say why
	maxOfAKind   = 10
	searchLimit  = 20 * time.Second
	refusesAfter = fenceWait + 2*time.Second
)

// checkRows compares the rows of one server with what clients know.
func checkRows(node int, there []row, ops []op, seen map[row]seen) []anomaly {
	have := map[row]int{}
	for _, r := range there {
		have[r]++
	}
	var found []anomaly
	say := func(kind string, at time.Duration, format string, args ...any) {
		found = append(found, anomaly{kind, at, fmt.Sprintf(format, args...) + fmt.Sprintf(", says node %d", node)})
	}
	wrote := map[row]op{}
	for _, o := range ops {
		if o.Kind == read {
			continue
		}
		wrote[o.Row] = o
		switch n := have[o.Row]; {
		case n > 1:
			say(twice, o.Ended, "%v is there %d times", o, n)
		case n == 0 && o.Outcome == acked:
			say(lost, o.Ended, "%v is not there", o)
		case n == 1 && o.Outcome == refused:
			say(strange, o.Ended, "%v is there", o)
		}
	}
	for r := range have {
		if _, ok := wrote[r]; !ok {
			say(strange, 0, "row %v is there, which nobody wrote", r)
		}
	}
	for r, s := range seen {
		if have[r] == 0 && wrote[r].Outcome != acked { // else it is lost
			say(vanished, s.At, "node %d showed at %v what is not there: %v", s.Server, s.At, wrote[r])
		}
	}
	slices.SortFunc(found, func(a, b anomaly) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text))
	})
	return found
}

// checkServers: epochs acknowledge one after the other. The decision to acknowledge lies between the
// question and the answer, so one of an earlier timeline, as each epoch has its own, that was asked
// for after a later one's was answered, is proof that two servers decided at once, or worse. And a
// timeline is one server's.
func checkServers(ops []op) (found []anomaly) {
	first := map[uint32]op{} // of a timeline: who was answered first
	var lines []uint32
	for _, o := range ops {
		if o.Outcome != acked {
			continue
		}
		f, ok := first[o.Timeline]
		if !ok {
			lines = append(lines, o.Timeline)
		}
		if ok && f.Server != o.Server {
			found = append(found, anomaly{twoServers, o.Ended, fmt.Sprintf("%v and %v are of one timeline", f, o)})
		}
		if !ok || o.Ended < f.Ended {
			first[o.Timeline] = o
		}
	}
	slices.Sort(lines)
	for _, o := range ops {
		i, ok := slices.BinarySearch(lines, o.Timeline)
		if o.Outcome != acked || !ok {
			continue
		}
		for _, later := range lines[i+1:] {
			if f := first[later]; f.Ended < o.Asked {
				found = append(found, anomaly{twoServers, o.Ended, fmt.Sprintf("%v, after %v", o, f)})
				break
			}
		}
	}
	return found
}

// checkRefused: whoever commits beside a former primary is refused soon, with an outcome, once a
// later epoch has acknowledged something; unless the server cannot run at all.
func checkRefused(ops []op, still func(server int, from, to time.Duration) bool) (found []anomaly) {
	newest := map[int]time.Duration{} // when somebody else than this server acknowledged first, of a later timeline
	var all []op
	for _, o := range ops {
		if o.Outcome == acked {
			all = append(all, o)
		}
	}
	for _, o := range ops {
		if o.Outcome != unknown || !o.Beside || o.Timeline == 0 || o.Ended-o.Asked < refusesAfter || still(o.Server, o.Asked, o.Ended) {
			continue
		}
		i := slices.IndexFunc(all, func(a op) bool { return a.Timeline > o.Timeline && a.Ended < o.Asked })
		if i >= 0 && newest[o.Server] != o.Asked {
			newest[o.Server] = o.Asked
			found = append(found, anomaly{notRefused, o.Ended, fmt.Sprintf("%v, after %v", o, all[i])})
		}
	}
	return found
}

// register is what one key holds: the row that wrote it last.
var register = porcupine.Model{
	Init: func() any { return row{} },
	Step: func(state, input, output any) (bool, any) {
		if o := input.(op); o.Kind == write {
			return true, o.Row
		}
		return output.(row) == state.(row), state
	},
	Equal: func(a, b any) bool { return a.(row) == b.(row) },
}

// checkRegisters: the operations on a key have an order that explains what clients saw, and keeps
// what was before what. A write whose client does not know happened if its row is there.
func checkRegisters(ops []op, there []row) (found []anomaly, undecided int) {
	have := map[row]bool{}
	for _, r := range there {
		have[r] = true
	}
	keys := map[int][]porcupine.Operation{}
	last := map[int]time.Duration{}
	for _, o := range ops {
		until := o.Ended
		switch {
		case o.Kind == insert:
			continue
		case o.Outcome == acked:
		case o.Kind == write && have[o.Row]:
			until = 1<<63 - 1
		default:
			continue
		}
		last[o.Key] = max(last[o.Key], o.Ended)
		keys[o.Key] = append(keys[o.Key], porcupine.Operation{ClientId: int(o.Row.Session), Input: o, Call: int64(o.Began), Output: o.Read, Return: int64(until)})
	}
	for key, all := range keys {
		switch porcupine.CheckOperationsTimeout(register, all, searchLimit) {
		case porcupine.Illegal:
			found = append(found, anomaly{unexplained, last[key], fmt.Sprintf("the %d operations on register %d have no order that explains them", len(all), key)})
		case porcupine.Unknown:
			undecided++
		}
	}
	slices.SortFunc(found, func(a, b anomaly) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text)) })
	return found, undecided
}

func (o op) String() string {
	s := fmt.Sprintf("%s %d/%d on node %d, timeline %d, asked at %.3f s", o.Kind, o.Row.Session, o.Row.Number, o.Server, o.Timeline, o.Asked.Seconds())
	switch o.Outcome {
	case acked:
		return s + fmt.Sprintf(", acknowledged at %.3f s", o.Ended.Seconds())
	case refused:
		return s + fmt.Sprintf(", refused at %.3f s", o.Ended.Seconds())
	}
	return s + fmt.Sprintf(", given up at %.3f s", o.Ended.Seconds())
}
