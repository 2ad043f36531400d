package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// at is a time in a history of a test, in milliseconds.
func at(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

// done is an operation that was asked for and ended then.
func done(kind kind, number int64, server int, line uint32, asked, ended int, how outcome) op {
	return op{Kind: kind, Row: row{1, number}, Server: server, Timeline: line, Began: at(asked), Asked: at(asked), Ended: at(ended), Outcome: how}
}

func kindsOf(found []anomaly) (kinds []string) {
	for _, a := range found {
		kinds = append(kinds, a.Kind)
	}
	return kinds
}

func TestCheckRows(t *testing.T) {
	a, b := done(insert, 1, 1, 1, 0, 10, acked), done(insert, 2, 1, 1, 20, 30, unknown)
	c := done(insert, 3, 1, 1, 40, 50, refused)
	for _, x := range []struct {
		name  string
		there []row
		seen  map[row]seen
		want  []string
	}{
		{"all", []row{a.Row, b.Row}, nil, nil},
		{"unknown, and not there", []row{a.Row}, nil, nil},
		{"lost", []row{b.Row}, nil, []string{lost}},
		{"lost, and seen", []row{b.Row}, map[row]seen{a.Row: {Row: a.Row}}, []string{lost}},
		{"twice", []row{a.Row, a.Row}, nil, []string{twice}},
		{"unknown twice", []row{a.Row, b.Row, b.Row}, nil, []string{twice}},
		{"refused, and there", []row{a.Row, c.Row}, nil, []string{strange}},
		{"nobody's", []row{a.Row, {9, 9}}, nil, []string{strange}},
		{"seen, and there", []row{a.Row, b.Row}, map[row]seen{b.Row: {Row: b.Row}}, nil},
		{"seen, and gone", []row{a.Row}, map[row]seen{b.Row: {Row: b.Row}}, []string{vanished}},
	} {
		if got := kindsOf(checkRows(1, x.there, []op{a, b, c}, x.seen)); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestCheckServers(t *testing.T) {
	for _, x := range []struct {
		name string
		ops  []op
		want []string
	}{
		{"one after the other", []op{done(insert, 1, 1, 1, 0, 10, acked), done(insert, 2, 2, 2, 20, 30, acked)}, nil},
		{"the answer came late", []op{done(insert, 1, 1, 1, 0, 40, acked), done(insert, 2, 2, 2, 20, 30, acked)}, nil},
		{"asked for later", []op{done(insert, 1, 1, 1, 31, 40, acked), done(insert, 2, 2, 2, 20, 30, acked)}, []string{twoServers}},
		{"that was not acknowledged", []op{done(insert, 1, 1, 1, 31, 40, unknown), done(insert, 2, 2, 2, 20, 30, acked)}, nil},
		{"the same server again", []op{done(insert, 1, 1, 1, 0, 10, acked), done(insert, 2, 2, 2, 20, 30, acked), done(insert, 3, 1, 3, 40, 50, acked)}, nil},
		{"a timeline of two servers", []op{done(insert, 1, 1, 1, 0, 10, acked), done(insert, 2, 2, 1, 20, 30, acked)}, []string{twoServers}},
	} {
		if got := kindsOf(checkServers(x.ops)); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestCheckRefused(t *testing.T) {
	later := done(insert, 9, 2, 2, 100, 110, acked)
	open := done(insert, 1, 1, 1, 200, 3200, unknown)
	open.Beside = true
	before := open
	before.Asked = at(50)
	soon := open
	soon.Ended = at(800)
	newest := open
	newest.Timeline = 2
	for _, x := range []struct {
		name  string
		o     op
		still bool
		want  []string
	}{
		{"left open", open, false, []string{notRefused}},
		{"by a server that stands still", open, true, nil},
		{"asked for before", before, false, nil},
		{"ended soon", soon, false, nil},
		{"of the last timeline", newest, false, nil},
	} {
		still := func(int, time.Duration, time.Duration) bool { return x.still }
		if got := kindsOf(checkRefused([]op{later, x.o}, still)); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestCheckRegisters(t *testing.T) {
	reads := func(number, what int64, asked, ended int) op {
		o := done(read, number, 1, 1, asked, ended, acked)
		if what != 0 {
			o.Read = row{1, what}
		}
		return o
	}
	one, two := done(write, 1, 1, 1, 0, 10, acked), done(write, 2, 1, 1, 20, 30, unknown)
	for _, x := range []struct {
		name  string
		ops   []op
		there []row
		want  []string
	}{
		{"read before", []op{reads(3, 0, 0, 5), one}, []row{one.Row}, nil},
		{"read", []op{one, reads(3, 1, 11, 12)}, []row{one.Row}, nil},
		{"stale", []op{one, reads(3, 0, 11, 12)}, []row{one.Row}, []string{unexplained}},
		{"an unknown one that happened, late", []op{one, two, reads(3, 1, 40, 41), reads(4, 2, 50, 51)}, []row{one.Row, two.Row}, nil},
		{"one that has not, and was read", []op{one, two, reads(3, 2, 40, 41)}, []row{one.Row}, []string{unexplained}},
		{"back again", []op{one, two, reads(3, 2, 40, 41), reads(4, 1, 50, 51)}, []row{one.Row, two.Row}, []string{unexplained}},
	} {
		got, undecided := checkRegisters(x.ops, x.there)
		if !slices.Equal(kindsOf(got), x.want) || undecided != 0 {
			t.Errorf("%s: %q, want %q; %d undecided", x.name, kindsOf(got), x.want, undecided)
		}
	}
}

func TestGaps(t *testing.T) {
	r := func(from, to int, names ...string) took {
		x := took{from: at(from), to: at(to)}
		for _, name := range names {
			x.round.steps = append(x.round.steps, step{fault: &fault{name: name}})
		}
		return x
	}
	var ops []op
	for _, ended := range []int{5, 100, 110, 400, 410, 1000, 1010} {
		ops = append(ops, done(insert, int64(ended), 1, 1, 0, ended, acked))
	}
	got := fmt.Sprint(gaps([]took{r(90, 420, "a"), r(420, 1005, "a"), r(1006, 1020, "b"), r(20, 60, "a", "b")}, ops))
	const want = "[{a 2 290ms 580ms 580ms} {b 1 10ms 10ms 10ms} {several at once 1 40ms 40ms 40ms}]"
	if got != want {
		t.Errorf("gaps %s, want %s", got, want)
	}
}
