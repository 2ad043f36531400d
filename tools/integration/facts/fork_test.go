//go:build integration

package facts

import (
	"bytes"
	"fmt"
	"syscall"
)

// A 1: a standby that has diverged streams, says that it has flushed what it has never
// had, and is counted: a commit is acknowledged that it does not get. So nobody is
// counted by an LSN; a follower first proves what it has.
func divergedCounts(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	must(w.t, b.Set(map[string]string{"synchronous_standby_names": `ANY 1 ("D")`})) // in force once it is a primary
	w.start(a, b, d)
	a.sql("SELECT pg_switch_wal()")   // so that the fork and D's end lie in one segment,
	a.sql("INSERT INTO t VALUES (0)") // and the fork not at its start: there is WAL of it to send
	b.catchUp(a)
	b.seal()
	a.sql("INSERT INTO t SELECT generate_series(1, 3000)")
	d.catchUp(a)
	a.die()
	fork := b.promote()

	answer := b.background("INSERT INTO t VALUES (-1)")
	b.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "1")
	if b.flushed() >= d.replayed() {
		w.t.Fatalf("D, at %s, is not past all of B, at %s", d.replayed(), b.flushed())
	}
	d.follow(b)
	must(w.t, <-answer)
	b.until("SELECT application_name FROM pg_stat_replication WHERE flush_lsn > pg_current_wal_flush_lsn()", "D")
	d.waitLog(0, "before current recovery point "+d.replayed().String(), 1)
	d.want("SELECT count(*) FROM t WHERE i = -1", "0")
	b.want("SELECT count(*) FROM t WHERE i = -1", "1")
	w.t.Logf("B forked at %s and has flushed %s, D is at %s", fork, b.flushed(), d.replayed())
}

// A 51: two forks of one number at one LSN can end with the same record, byte for byte:
// a switch of WAL carries no data. One then follows the other and is counted. So an
// equal last record does not prove a prefix; that a number is given once does.
func equalLastRecord(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	must(w.t, b.Set(map[string]string{"synchronous_standby_names": `ANY 1 ("D")`}))
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (0)")
	for _, s := range []*server{b, d} {
		s.catchUp(a)
		s.seal()
	}
	a.die()
	for _, s := range []*server{b, d} {
		s.promote()
		s.checkpointed(2)
	}
	if b.inserted() != d.inserted() {
		w.t.Fatalf("B is at %s, D at %s: they wrote different WAL by themselves", b.inserted(), d.inserted())
	}
	from := b.inserted()
	for s, i := range map[*server]int{b: 20, d: 10} {
		s.sql(fmt.Sprintf("SET synchronous_commit = local; INSERT INTO t VALUES (%d)", i))
		s.sql("SELECT pg_switch_wal()")
	}
	ofB, endB := b.records(2, from)
	ofD, endD := d.records(2, from)
	last := len(ofB) - 1
	if last < 1 || len(ofD) != last+1 || endB != endD {
		w.t.Fatalf("B wrote %d records, to %s; D %d, to %s", len(ofB), endB, len(ofD), endD)
	}
	if ofB[0].crc == ofD[0].crc || ofB[last] != ofD[last] || !ofB[last].is(walSwitch) {
		w.t.Fatalf("B wrote %+v, D %+v: want other first records, and the same switch of WAL at the end", ofB, ofD)
	}
	if h := historyFile(2); !bytes.Equal(b.get(h), d.get(h)) {
		w.t.Errorf("the history files differ:\n%s%s", b.get(h), d.get(h))
	}

	d.die()
	d.bootAs(b)
	must(w.t, <-b.background("INSERT INTO t VALUES (30)"))
	b.want("SELECT state, sync_state FROM pg_stat_replication", "streaming|quorum")
	d.catchUp(b)
	b.want("SELECT i FROM t ORDER BY i", "0 20 30")
	d.want("SELECT i FROM t ORDER BY i", "0 10 30")
}

// A 2: a walreceiver begins the file of a new timeline at its segment's start. Cut before
// the switch LSN, that file is what recovery takes, in place of the parent's whole one:
// it ends early, and a row that the standby had flushed is gone once it is promoted. So
// each LSN is read from the file of the timeline that owns it, and such a file is put
// aside before recovery.
func shortFirstSegment(w *world) {
	a, b := w.a, w.standby("B", nil)
	d, e := w.standby("D", nil), w.standby("E", nil)
	w.start(a, b, d, e)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 2000)")
	cut := a.flushed()
	a.sql("INSERT INTO t VALUES (-7)")
	for _, s := range []*server{b, d, e} {
		s.catchUp(a)
		s.seal()
		s.want("SELECT count(*) FROM t WHERE i = -7", "1")
	}
	a.die()
	fork := b.promote()
	for _, s := range []*server{d, e} {
		s.die()
		s.put(historyFile(2), b.get(historyFile(2)))
	}
	d.putWAL(b, 2, from, cut)

	d.bootAs(nil)
	d.until(idle, "RecoveryRetrieveRetryInterval")
	if _, end := d.records(1, from); end != fork {
		w.t.Errorf("D's file of timeline 1 ends at %s, want %s", end, fork)
	}
	if got := d.replayed(); got != cut {
		w.t.Errorf("D has replayed to %s, want %s, where its file of timeline 2 was cut", got, cut)
	}
	d.want("SELECT count(*) FROM t WHERE i = -7", "0")
	if got := d.promote(); got != cut {
		w.t.Errorf("D's fork begins at %s, want %s", got, cut)
	}
	d.want("SELECT count(*) FROM t WHERE i = -7", "0")
	d.want("SELECT count(*) FROM t", "2000")

	e.bootAs(nil) // the same, but for that file
	e.until(idle, "RecoveryRetrieveRetryInterval")
	if got := e.replayed(); got != fork {
		w.t.Errorf("E has replayed to %s, want %s", got, fork)
	}
	e.want("SELECT count(*) FROM t WHERE i = -7", "1")
}

// A 16, 34: crash recovery in place ends with a shutdown checkpoint on the same timeline.
// A stream that was cut right behind it looks as if the primary had ended its reign,
// while that goes on. So no rule rests on a shutdown record.
func shutdownRecord(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	from := a.inserted()
	size := a.logSize()
	var backend int
	if _, err := fmt.Sscan(a.sql("SELECT pg_backend_pid()"), &backend); err != nil {
		w.t.Fatal(err)
	}
	must(w.t, syscall.Kill(backend, syscall.SIGKILL))
	a.waitLog(size, "database system is ready to accept connections", 1)
	a.until("SELECT pg_is_in_recovery()", "f")
	a.freeze("background writer") // which is another one now
	b.catchUp(a)
	b.seal()

	records, end := b.records(1, from)
	if n := len(records); n == 0 || !records[n-1].is(checkpointShutdown) || end != a.flushed() {
		w.t.Fatalf("B has %+v, to %s; want a shutdown checkpoint last, where A's WAL ends, %s", records, end, a.flushed())
	}
	if got := a.timeline(); got != 1 {
		w.t.Errorf("A writes on timeline %d after its crash", got)
	}
	a.sql("INSERT INTO t VALUES (2)")
	d.catchUp(a)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
	b.want("SELECT i FROM t ORDER BY i", "1")
}
