//go:build integration

package facts

import (
	"syscall"
)

// shortSegment is a primary B that forked off, and standbys of A that have replayed all
// of timeline 1, and run: of timeline 2 they get, with its history, the first segment as
// a walreceiver leaves it that was cut before the fork.
func (w *world) shortSegment(b *server, standbys ...*server) (cut, fork lsn) {
	w.t.Helper()
	a := w.a
	w.start(append(standbys, a, b)...)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 2000)")
	cut = a.flushed()
	a.sql("INSERT INTO t VALUES (-7)")
	for _, s := range append(standbys, b) {
		s.catchUp(a)
		s.seal()
	}
	a.die()
	fork = b.promote()
	for _, s := range standbys {
		s.putWAL(b, 2, from, cut)
		s.put(historyFile(2), b.get(historyFile(2)))
	}
	return cut, fork
}

// PostgreSQL's source: a standby that has recovered from the short first segment of a
// fork, and asks for WAL, finds that the rest is on the parent's timeline. Its startup
// process ends for that, and the server with it, at each start. So such a file is put
// aside before a server follows.
func timelineGoesBack(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	cut, fork := w.shortSegment(b, d)
	d.die()
	for range 2 {
		size := d.logSize()
		d.set("primary_conninfo", d.conninfo(b.Port))
		// It may take connections before it ends.
		if err := d.Start(w.ctx); err != nil {
			w.t.Logf("D's start: %v", err)
		}
		d.ended()
		d.waitLog(size, "FATAL:  according to history file, WAL location "+cut.String()+" belongs to timeline 1, but previous recovered WAL file came from timeline 2", 1)
	}
	d.remove(segment(2, cut))
	d.bootAs(b)
	d.catchUp(b)
	if got := d.replayed(); got < fork {
		w.t.Errorf("D has replayed to %s, and the fork is at %s", got, fork)
	}
	d.want("SELECT count(*) FROM t WHERE i = -7", "1")
}

// PostgreSQL's source: a promotion reads the last record once more, from the newest file
// that there is. The short first segment of a fork does not have it: a PANIC. So a seal
// puts such a file aside.
func promotionBesideShortSegment(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	cut, fork := w.shortSegment(b, d)
	d.waitLog(0, "new target timeline is 2", 1)
	d.until(idle, "RecoveryRetrieveRetryInterval")
	if got := d.replayed(); got != fork {
		w.t.Fatalf("D has replayed to %s, want %s", got, fork)
	}
	d.put("promote", nil)
	d.signalPostmaster(syscall.SIGUSR1)
	d.ended()
	d.waitLog(0, "PANIC:  ", 1)
	d.remove(segment(2, cut))
	d.bootAs(nil)
	if got := d.promote(); got != fork {
		w.t.Errorf("D's fork begins at %s, want %s", got, fork)
	}
	d.want("SELECT count(*) FROM t", "2001")
}
