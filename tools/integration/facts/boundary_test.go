//go:build integration

package facts

import (
	"fmt"
	"strings"
)

// boundary makes a long record of which standbys have got the first part, up to the end
// of a segment. B is promoted where that record begins.
func (w *world) boundary(b *server, standbys ...*server) (fork, end lsn) {
	w.t.Helper()
	a := w.a
	w.start(append(standbys, a, b)...)
	a.sql("INSERT INTO t VALUES (1)")
	for _, s := range append(standbys, b) {
		s.catchUp(a)
		s.seal()
	}
	fork = a.inserted()
	a.sql(bigRecord)
	a.die()
	end = fork + segmentSize - lsn(fork.inSegment())
	for _, s := range standbys {
		s.die()
		s.putWAL(a, 1, fork, end)
	}
	if got := b.promote(); got != fork {
		w.t.Fatalf("B's fork begins at %s, want %s", got, fork)
	}
	b.checkpointed(2)
	return fork, end
}

// ahead is what a primary says to a standby that asks for its next segment.
func ahead(end lsn) string {
	return fmt.Sprintf("requested starting point %s is ahead of the WAL flush position of this server", end)
}

// PostgreSQL's source: of half a record that ends with a segment recovery keeps what it
// has, and asks for the next segment, also of a new timeline that forks where the record
// begins. Once the primary has that segment, the page there does not fit. What is before is
// taken for received then, and is not there: a PANIC. The next start goes well. So a seal
// lets go of such a half.
func halfRecordToABoundary(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	_, end := w.boundary(b, d)
	d.bootAs(b)
	d.waitLog(0, ahead(end), 3)
	b.sql("INSERT INTO t VALUES (2)")
	d.want("SELECT i FROM t ORDER BY i", "1")
	b.sql("SELECT pg_switch_wal()")
	b.until("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'D' AND state = 'streaming'", "1")
	// D asks for the segment before once more, and makes its file as soon as it is served.
	// So nobody serves it anew before recovery has looked for the file.
	b.freezePID(b.postmaster())
	b.sql("INSERT INTO t VALUES (3)")
	d.ended()
	b.thaw()
	d.waitLog(0, fmt.Sprintf("PANIC:  could not open file \"%s\"", segment(2, end-1)), 1)
	d.bootAs(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2 3")
}

// Half a record that ends with a segment outlives a restart, as recovery finds it again.
// Zeros over the rest of the segment in which it begins, before a start, take it away: the
// standby then follows at once. What later segments have of it does no harm, and PostgreSQL
// removes it as it goes over to the new timeline. So that is what a seal does, at a start.
func halfRecordCut(w *world) {
	b, d, e := w.standby("B", nil), w.standby("D", nil), w.standby("E", nil)
	fork, end := w.boundary(b, d, e)
	e.putWAL(w.a, 1, fork, end+segmentSize)
	for _, s := range []*server{d, e} {
		s.bootAs(nil)
		s.until(idle, "RecoveryRetrieveRetryInterval")
		s.die()
	}
	data := e.get(segment(1, fork))
	clear(data[fork.inSegment():])
	e.put(segment(1, fork), data)
	for _, s := range []*server{d, e} {
		s.bootAs(b)
	}
	e.catchUp(b)
	b.sql("INSERT INTO t VALUES (2)")
	e.catchUp(b)
	d.waitLog(0, ahead(end), 3)
	d.want("SELECT i FROM t ORDER BY i", "1")
	b.sql("SELECT pg_switch_wal()") // to where E has more of the record
	b.sql("INSERT INTO t VALUES (3)")
	e.catchUp(b)
	e.die()
	e.bootAs(b)
	e.catchUp(b)
	e.want("SELECT i FROM t ORDER BY i", "1 2 3")
	if strings.Contains(e.log(0), ahead(end)) || e.has(segment(1, end)) {
		w.t.Errorf("E has asked for the next segment: %v, and has %s: %v; want neither", strings.Contains(e.log(0), ahead(end)), segment(1, end), e.has(segment(1, end)))
	}
}
