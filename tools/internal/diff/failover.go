package diff

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// What differs of failover, in the words that a replay has for it. Where the words are
// the same and the values are not, the fields are named.

func inputFields(a, b core.Input) []Field {
	if f := reportFields("", a, b); len(f) > 0 {
		return f
	}
	x, ok := a.(core.Batch)
	y, both := b.(core.Batch)
	if !ok || !both || len(x.Inputs) != len(y.Inputs) {
		return differ(a, b)
	}
	x.Inputs, y.Inputs = slices.Clone(x.Inputs), slices.Clone(y.Inputs)
	var words []Field
	for i := range x.Inputs {
		if f := reportFields(fmt.Sprintf("Inputs[%d] ", i), x.Inputs[i], y.Inputs[i]); len(f) > 0 {
			words = append(words, f...)
			x.Inputs[i], y.Inputs[i] = nil, nil // nothing more to say of these
		}
	}
	return append(differ(x, y), words...)
}

// reportFields are the parts that differ of two reports of servers.
func reportFields(prefix string, a, b core.Input) []Field {
	x, ok := a.(core.FailoverServer)
	y, both := b.(core.FailoverServer)
	if !ok || !both {
		return nil
	}
	return partFields(prefix+"server: ", replay.ServerParts(&x.Server), replay.ServerParts(&y.Server))
}

func outputFields(a, b core.Output) []Field {
	words := partFields("decided: ", replay.DecidedParts(a.Failover), replay.DecidedParts(b.Failover))
	if len(words) > 0 {
		a.Failover, b.Failover = nil, nil
	}
	return append(differ(a, b), words...)
}

// failoverFields is about what the log has decided.
func failoverFields(a, b *replay.Failover) []Field {
	if a == b {
		return nil
	}
	none := &failover.State{}
	x, y := none, none
	if a != nil {
		x = a.State
	}
	if b != nil {
		y = b.State
	}
	if f := differ(*x, *y); len(f) > 0 {
		if words := partFields("log: ", replay.StateParts(x), replay.StateParts(y)); len(words) > 0 {
			return words
		}
		return f
	}
	return nil
}

// partFields are the parts that only one side has, or that differ. A name can stand for
// several parts: what both have of it is left out, and the rest is compared in order.
func partFields(prefix string, a, b []replay.Part) (l []Field) {
	left := func(l, other []replay.Part) (names []string, of map[string][]string) {
		of = map[string][]string{}
		in := map[replay.Part]int{}
		for _, p := range other {
			in[p]++
		}
		for _, p := range l {
			if in[p]--; in[p] < 0 {
				names, of[p.Name] = append(names, p.Name), append(of[p.Name], strconv.Quote(p.Text))
			}
		}
		return names, of
	}
	namesA, ofA := left(a, b)
	namesB, ofB := left(b, a)
	take := func(of map[string][]string, name string) (s string) {
		if x := of[name]; len(x) > 0 {
			s, of[name] = x[0], x[1:]
		}
		return s
	}
	for _, name := range append(namesA, namesB...) {
		if x, y := take(ofA, name), take(ofB, name); x != "" || y != "" {
			l = append(l, Field{prefix + name, x, y})
		}
	}
	return l
}
