//go:build integration

package boot

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// cases run beside each other, each on a server of its own.
var cases = []struct {
	name     string
	failover string
	run      func(*server)
}{
	{"killed", "on", killed},
	{"stopped", "on", stopped},
	{"backend crash", "on", backendCrash},
	{"promotion", "on", whilePromoting},
	{"no note", "on", noNote},
	{"no failover", "off", noNote},
	{"one note", "on", oneNote},
	{"off with notes", "off", offWithNotes},
	{"unguarded", "on", unguarded},
	{"backup", "on", backup},
	{"short", "on", short},
	{"below", "on", below},
	{"hole", "on", hole},
	{"lowered", "on", lowered},
	{"half a record", "on", halfRecord},
	{"behind a cut", "on", behindACut},
	{"marker", "on", marker},
	{"damaged notes", "on", damagedNotes},
}

func TestBoot(t *testing.T) {
	pg := newPostgres(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(pg.server(t, c.failover))
		})
	}
}

// A primary that is killed boots as a standby with no source of WAL, and is fenced.
func killed(s *server) {
	s.starts()
	s.want("INSERT INTO t VALUES (1) RETURNING i", "1")
	s.killed()
	s.joins(notes())
	for range 2 {
		from := s.starts()
		s.isStandby(from, "1")
		s.remembers(from, 0, "1")
		s.saysNot(from, "may be less than")
		s.saysNot(from, "quarantined")
		if got := s.data(); !reflect.DeepEqual(got, notes().Data) {
			s.t.Errorf("its note is %+v", got)
		}
		s.killed()
	}
}

// So does one that was stopped as a primary.
func stopped(s *server) {
	s.starts()
	s.stop()
	s.joins(notes())
	from := s.starts()
	s.isStandby(from, "1")
	s.remembers(from, 0, "1")
	s.saysNot(from, "quarantined")
}

// A session that crashes has the server restart in place: a primary, and a standby, comes up as
// a standby each time.
func backendCrash(s *server) {
	s.joins(notes())
	s.isStandby(s.starts(), "1")
	from := s.logSize()
	s.put("promote", nil)
	must(s.t, syscall.Kill(s.postmaster(), syscall.SIGUSR1))
	s.waitLog(from, "database system is ready to accept connections")
	if s.has("standby.signal") {
		s.t.Fatal("standby.signal is there after a promotion")
	}
	s.isFenced("") // by what the boot has published
	for range 2 {
		from = s.crashes()
		s.isStandby(from, "2")
		s.remembers(from, 0, "2")
	}
}

// A boot takes away what a promotion that did not come about has left: the file promote, and
// the note and the history file of its timeline.
func whilePromoting(s *server) {
	n := notes()
	s.joins(n)
	s.starts()
	at := s.replication("IDENTIFY_SYSTEM", 2)
	s.killed()
	s.remove("standby.signal") // as a promotion does, before it writes anything
	n.Data.Notes, n.Data.Wrote = []failover.Note{{Timeline: 2, Epoch: 5}}, []uint32{1, 2}
	s.joins(n)
	left := func() {
		s.put("promote", nil)
		s.put("pg_wal/00000002.history", []byte("1\t"+at+"\tno recovery target specified\n"))
	}
	gone := func(from int64) {
		s.t.Helper()
		s.isStandby(from, "1")
		s.waitLog(from, `removed file "pg_wal/00000002.history"`)
		if s.has("pg_wal/00000002.history") {
			s.t.Error("the history file is there")
		}
	}
	left()
	gone(s.starts())
	if d := s.data(); len(d.Notes) != 0 || !d.Joined {
		s.t.Errorf("its note is %+v", d)
	}
	left()
	gone(s.crashes())
}

// A server that takes no part is as PostgreSQL has it, whether failover is on or off.
func noNote(s *server) {
	s.set("primary_conninfo", "host=127.0.0.1 port=1")
	from := s.starts()
	s.want("INSERT INTO t VALUES (1) RETURNING i", "1")
	s.crashes()
	s.want("SELECT count(*) FROM t", "1")
	s.killed()
	s.joins(host.Notes{Data: host.Data{Sealed: 4}}) // it took part once
	s.set("max_connections", "50")
	s.starts()
	s.want("SELECT count(*), pg_is_in_recovery(), current_setting('primary_conninfo') FROM t", "1|f|host=127.0.0.1 port=1")
	s.want("SHOW max_connections", "50")
	s.saysNot(from, "starts as a standby")
	if s.has("standby.signal") || strings.Contains(string(s.get("postgresql.auto.conf")), "pgraft") {
		s.t.Error("something of failover is there")
	}
}

// One note alone is enough: a lost Raft store, or a file that is gone, makes no primary.
func oneNote(s *server) {
	for _, c := range []struct{ gone, left string }{{storePath, `"pgraft.failover" in the data directory`}, {host.DataFile, `"FAILOVER" in pgraft.data_dir`}} {
		s.joins(notes())
		s.remove(c.gone)
		if s.has("standby.signal") {
			s.remove("standby.signal")
		}
		from := s.starts()
		s.isStandby(from, "1")
		s.waitLog(from, "pgraft: only file "+c.left+" says that this server takes part in failover")
		s.killed()
	}
}

// A server that takes part does so whatever its setting says, and says where to turn.
func offWithNotes(s *server) {
	s.joins(notes())
	from := s.starts()
	s.isStandby(from, "1")
	s.isFenced("Set pgraft.failover to on and restart this server: it takes part in failover.")
	s.waitLog(from, `pgraft: this server takes part in failover, and "pgraft.failover" is off`)
	s.isStandby(s.crashes(), "1")
}

// A server that was a primary on a timeline which it was not granted is quarantined, at each
// boot from then on.
func unguarded(s *server) {
	s.starts()
	s.killed()
	n := notes()
	n.Data.Wrote = nil
	s.joins(n)
	for range 2 {
		from := s.starts()
		s.isStandby(from, "1")
		s.remembers(from, int(failover.QuarantinedUnguarded), "1")
		s.waitLog(from, "pgraft: this server was started as a primary without pgraft, and will be quarantined")
		if !s.data().Unguarded {
			s.t.Errorf("its note is %+v", s.data())
		}
		s.killed()
	}
}

// doubts says that the server boots with a doubt, which stays. Not every server in doubt comes
// to take connections.
func (s *server) doubts(want failover.Doubt) {
	s.t.Helper()
	for range 2 {
		from := s.boots()
		s.waitLog(from, "pgraft: the server starts as a standby")
		s.waitLog(from, "pgraft: this server's data may be less than what it has acknowledged: "+want.String())
		s.waitLog(from, "entering standby mode")
		if !s.has("standby.signal") {
			s.t.Error("standby.signal is not there")
		}
		if got := s.data().Doubt; got != want {
			s.t.Errorf("its note has doubt %d (%v), want %d", got, got, want)
		}
		s.killed()
	}
}

// Data of a base backup is in doubt.
func backup(s *server) {
	s.starts()
	s.want("SELECT 1 FROM pg_backup_start('test', true)", "1")
	label, err := s.sql("SELECT pg_backup_start('test', true); SELECT labelfile FROM pg_backup_stop(false)")
	must(s.t, err)
	s.stop()
	s.put("backup_label", []byte(label))
	s.joins(notes())
	s.doubts(failover.DoubtBackup)
}

// WAL that ends before minRecoveryPoint was lost. A standby has one.
func short(s *server) {
	s.starts()
	s.want("INSERT INTO t VALUES (1) RETURNING i", "1") // past the checkpoint that recovery begins with
	s.killed()
	s.joins(notes())
	from := s.starts()
	s.isStandby(from, "1")
	s.remembers(from, 0, "1") // it has replayed all
	end := s.end()
	s.stop()
	s.overwrite(end-64, bytes.Repeat([]byte{0}, 64))
	s.doubts(failover.DoubtShort)
}

// So was WAL that the Raft store knows of.
func below(s *server) {
	n := notes()
	n.Store.Floor.LSN = 1 << 40
	s.joins(n)
	s.doubts(failover.DoubtBelow)
}

// A segment that is missing in the middle is found. Recovery could not go past it.
func hole(s *server) {
	s.starts()
	must(s.t, second(s.sql("CHECKPOINT; SELECT pg_switch_wal(); INSERT INTO t VALUES (1)")))
	gone, err := s.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
	must(s.t, err)
	must(s.t, second(s.sql("SELECT pg_switch_wal(); INSERT INTO t VALUES (2); SELECT pg_switch_wal(); INSERT INTO t VALUES (3)")))
	s.killed()
	s.remove("pg_wal/" + gone)
	s.joins(notes())
	s.doubts(failover.DoubtHole)
}

func second(_ string, err error) error { return err }

// end is where the standby's WAL ends, once it has replayed that.
func (s *server) end() uint64 {
	s.t.Helper()
	high, low, _ := strings.Cut(s.replication("IDENTIFY_SYSTEM", 2), "/")
	h, err := strconv.ParseUint(high, 16, 32)
	must(s.t, err)
	l, err := strconv.ParseUint(low, 16, 32)
	must(s.t, err)
	return h<<32 | l
}

const segmentSize = 1 << 20

func segment(at uint64) string {
	return fmt.Sprintf("pg_wal/00000001%08X%08X", at>>32, at&0xffffffff/segmentSize)
}

// overwrite puts bytes into the WAL of timeline 1.
func (s *server) overwrite(at uint64, b []byte) {
	s.t.Helper()
	data := s.get(segment(at))
	copy(data[at%segmentSize:], b)
	s.put(segment(at), data)
}

// halfAt makes the server end in half a record, which it was to be restarted for, and says where.
func (s *server) halfAt() uint64 {
	s.t.Helper()
	s.starts()
	s.stop()
	s.joins(notes())
	from := s.starts()
	s.isStandby(from, "1")
	s.remembers(from, 0, "1") // it has replayed all
	at := s.end()
	s.stop()
	s.overwrite(at, bytes.Repeat([]byte{0xaa}, 100))
	return at
}

// What is noted as half a record is overwritten, and the note of it goes.
func halfRecord(s *server) {
	at := s.halfAt()
	n := notes()
	n.Data.Cut = at
	s.joins(n)
	from := s.starts()
	s.isStandby(from, "1")
	s.waitLog(from, "zeros are put over half a record")
	if rest := s.get(segment(at))[at%segmentSize:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		s.t.Errorf("at %x there is % x", at, rest[:100])
	}
	if got := s.data(); !reflect.DeepEqual(got, notes().Data) {
		s.t.Errorf("its note is %+v", got)
	}
}

// WAL that has come since a cut was noted stays.
func behindACut(s *server) {
	at := s.halfAt()
	n := notes()
	n.Data.Cut = at - 8
	s.joins(n)
	before := s.get(segment(at))
	from := s.starts()
	s.isStandby(from, "1")
	s.saysNot(from, "zeros are put over")
	if !bytes.Equal(s.get(segment(at)), before) {
		s.t.Error("WAL is another one")
	}
	if got := s.data(); !reflect.DeepEqual(got, notes().Data) {
		s.t.Errorf("its note is %+v", got)
	}
}

// Data of a rejoin that was cut short is not started, whatever else is there.
func marker(s *server) {
	s.joins(notes())
	s.put("../data.pgraft_rejoin", nil)
	s.refuses("FATAL:  pgraft: the data of this server was being made anew, and that has not ended", "HINT:  Set \"pgraft.rejoin\" to clone")
	if s.has("standby.signal") {
		s.t.Error("standby.signal is there")
	}
	s.remove(host.DataFile)
	s.remove(storePath)
	s.set("pgraft.failover", "off")
	s.refuses("FATAL:  pgraft: the data of this server was being made anew, and that has not ended")
	s.joins(notes())
	s.set("pgraft.failover", "on")
	s.remove("../data.pgraft_rejoin")
	s.isStandby(s.starts(), "1")
}

// A note that cannot be read is not taken for none.
func damagedNotes(s *server) {
	n := notes()
	s.joins(n)
	flipped := func(b []byte) []byte { return bytes.Replace(b, []byte("joined 1"), []byte("joined 0"), 1) }
	s.put(host.DataFile, flipped(n.Data.Marshal()))
	s.refuses(`FATAL:  pgraft: file "pgraft.failover" is damaged`, "HINT:  Make this server's data anew")
	s.put(host.DataFile, []byte("pgraft data 2\n"))
	s.refuses(`FATAL:  pgraft: file "pgraft.failover" was written by another version of pgraft`)
	s.joins(n)
	s.put(storePath, []byte("pgraft store 2\n"))
	s.refuses("FAILOVER\" was written by another version of pgraft")
	s.joins(n)
	s.put(storePath, flipped(n.Store.Marshal()))
	from := s.starts()
	s.isStandby(from, "1")
	s.waitLog(from, "FAILOVER\" is damaged")
	s.remembers(from, int(failover.QuarantinedStoreLost), "1")
	if got := s.data().Doubt; got != failover.DoubtStore {
		s.t.Errorf("its note has doubt %v", got)
	}
}
