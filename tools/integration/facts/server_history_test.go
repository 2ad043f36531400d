//go:build integration

package facts

import (
	"fmt"
	"os"
	"strings"
)

// A follower has the history files of all numbers up to its newest timeline, those of
// every gap, too, written from the newest one down.
func historyFiles(w *world) {
	b := w.standby("B", nil)
	w.start(w.a, b)
	b.catchUp(w.a)
	b.seal()
	b.freezeIdle() // or it would aim at these
	const history = "1@0/0,4@0/5000000,7@0/6000060"
	b.want("SELECT server_history(7)", "no file: 7@0/0")
	b.sql(fmt.Sprintf("SELECT server_history_write('%s', true)", history))
	for timeline, want := range map[int]string{
		2: "1@0/0,2@0/5000000", 3: "1@0/0,3@0/5000000", 4: "1@0/0,4@0/5000000",
		5: "1@0/0,4@0/5000000,5@0/6000060", 6: "1@0/0,4@0/5000000,6@0/6000060", 7: history,
	} {
		b.want(fmt.Sprintf("SELECT server_history(%d)", timeline), want)
	}
	if b.has(historyFile(8)) {
		w.t.Error("there is a history file of timeline 8")
	}
	// The newest first: what cannot be written leaves a row without its beginning.
	for n := 2; n <= 7; n++ {
		b.remove(historyFile(n))
	}
	must(w.t, os.Mkdir(b.File(historyFile(5)), 0o777))
	if _, err := b.try(w.ctx, fmt.Sprintf("SELECT server_history_write('%s', true)", history)); err == nil || !strings.Contains(err.Error(), historyFile(5)) {
		w.t.Errorf("history files are written over a directory: %v", err)
	}
	for n := 2; n <= 7; n++ {
		if b.has(historyFile(n)) != (n >= 5) {
			w.t.Errorf("history file %d is there: %v", n, b.has(historyFile(n)))
		}
	}
	b.remove(historyFile(5))
	b.sql(fmt.Sprintf("SELECT server_history_write('%s', true)", history))

	// One that says the same stays as it is, one of a timeline without WAL is replaced.
	own := []byte("1\t0/5000000\tPostgreSQL's own words\n")
	b.put(historyFile(4), own)
	b.put(historyFile(3), []byte("# not used\n"))
	b.sql(fmt.Sprintf("SELECT server_history_write('%s', false)", "1@0/0,4@0/5000000"))
	if got := b.get(historyFile(4)); string(got) != string(own) {
		w.t.Errorf("history file 4 is %q", got)
	}
	b.want("SELECT server_history(3)", "1@0/0,3@0/5000000")
	// With WAL it is not.
	b.put(segment(4, 0x5000000), make([]byte, segmentSize))
	if _, err := b.try(w.ctx, "SELECT server_history_write('1@0/0,4@0/4000000', true)"); err == nil || !strings.Contains(err.Error(), "the history of timeline 4 is another one") {
		w.t.Errorf("a history is written over another one's WAL: %v", err)
	}
	for text, want := range map[string]string{
		"1\t0/1\n1\t0/2\n":                   "timelines must rise",
		"9\t0/1\n":                           "a parent's timeline must be less than the child's",
		"1\tnowhere\n":                       "an LSN is expected",
		"here\n":                             "a timeline is expected",
		"# remark\n\n \t1\t0/100\tx\n3\t1/2": "", // what PostgreSQL takes
	} {
		b.put(historyFile(9), []byte(text))
		got, err := b.try(w.ctx, "SELECT server_history(9)")
		if want == "" && got != "1@0/0,3@0/100,9@1/2" || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			w.t.Errorf("history file %q: %q, %v; want %q", text, got, err, want)
		}
	}
}
