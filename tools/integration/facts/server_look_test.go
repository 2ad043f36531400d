//go:build integration

package facts

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// What is reported of a server is what its views show.
func lookAtServers(w *world) {
	a, b, d := w.a, w.standby("B", w.preloaded()), w.standby("D", nil)
	must(w.t, a.Set(w.preloaded()))
	w.start(a)
	for _, s := range []*server{b, d} {
		a.sql(fmt.Sprintf("SELECT pg_create_physical_replication_slot('of_%s')", strings.ToLower(s.name)))
		s.set("primary_slot_name", "of_"+strings.ToLower(s.name))
	}
	w.start(b, d)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	b.sql("CHECKPOINT")
	shows := func(s *server, want ...string) {
		w.t.Helper()
		s.until(fmt.Sprintf("SELECT coalesce(string_agg(part, ' '), '') FROM unnest(ARRAY['%s']) part WHERE position(' ' || part || ' ' in ' ' || server_look() || ' ') = 0", strings.Join(want, "', '")), "")
	}
	control := func(s *server) []string {
		return strings.Split(s.sql(`SELECT 'checkpoint=' || checkpoint_lsn || '@' || timeline_id || ',redo=' || redo_lsn FROM pg_control_checkpoint()`)+
			s.sql(`SELECT ',min_recovery=' || min_recovery_end_lsn || '@' || min_recovery_end_timeline || ',backup_start=' || backup_start_lsn || ',end_required=' || end_of_backup_record_required::int FROM pg_control_recovery()`)+
			s.sql(`SELECT ',system=' || system_identifier FROM pg_control_system()`), ",")
	}
	const senders = "FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE state = 'streaming' AND flush_lsn = pg_current_wal_flush_lsn()"
	a.until("SELECT count(*) "+senders, "2")
	for _, sender := range strings.Fields(a.sql("SELECT 'sender=' || concat_ws('/', pid, application_name, slot_name, 'streams', replace(flush_lsn::text, '/', '-')) " + senders)) {
		shows(a, sender)
	}
	shows(a, append(control(a), "recovery=0", "promotes=0", "receives=0", "inserted="+a.inserted().String(), "flushed="+a.flushed().String()+"@1", "state=6", "backup_label=0", "waits=0")...)
	shows(b, append(control(b), "recovery=1", "hot_standby=1", "conninfo="+b.conninfo(a.Port), "restore_command=", "promotes=0", "paused=0", "receives=1", "replayed="+b.replayed().String()+"@1",
		"flushed="+b.received().String()+"@1", "received="+b.received().String(), "state=5", "backup_label=0")...)
	b.sql("SELECT pg_wal_replay_pause()")
	b.seal0()
	b.put("backup_label", nil)
	shows(b, "paused=1", "conninfo=", "receives=0", "backup_label=1")
	b.remove("backup_label")
	b.put("promote", nil)
	shows(b, "promote_file=1", "promotes=0")
	b.signalPostmaster(syscall.SIGUSR1)
	b.until("SELECT pg_is_in_recovery()", "f")
	b.checkpointed(2)
	shows(b, "recovery=0", "promotes=0", "flushed="+b.flushed().String()+"@2")
}

// seal0 takes the standby's source away, and waits for the walreceiver alone.
func (s *server) seal0() {
	s.w.t.Helper()
	number := s.number("SELECT server_sources_end()")
	s.until(fmt.Sprintf("SELECT server_sources_ended(%d)", number), "t")
}

// Names are in force in every walsender and in the checkpointer: each says so itself.
func settingsInForce(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	must(w.t, a.Set(w.preloaded()))
	w.start(a, b)
	a.until("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1") // it has all WAL before it connects
	sender := a.number("SELECT pid FROM pg_stat_replication")
	checkpointer := a.process("checkpointer")
	write := func(names string) int {
		return a.number(fmt.Sprintf("SELECT server_set('synchronous_standby_names', '%s')", names))
	}
	inForce := func(number int) string { return fmt.Sprintf("SELECT server_in_force(%d)", number) }

	a.until(inForce(write("B")), "ftt") // a primary has no startup process that could say so
	a.want("SELECT server_look() LIKE '% waits=1 %'", "t")
	for pid, seen := range map[int]string{sender: "ftf", checkpointer: "fft"} {
		a.freezePID(pid)
		number := write("D")
		w.waitPending(pid, syscall.SIGHUP)
		a.until(inForce(number), seen)
		a.until("SHOW synchronous_standby_names", "D")
		a.want(inForce(number), seen)
		must(w.t, syscall.Kill(pid, syscall.SIGCONT))
		a.until(inForce(number), "ftt")
	}
	// Who connects later has what the postmaster has.
	number := write("B")
	a.until(inForce(number), "ftt")
	w.start(d)
	a.until("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'D'", "1")
	a.want(inForce(number), "ftt")
	a.want(inForce(number+1), "fff")
	a.sql("INSERT INTO t VALUES (1)") // B is there
	// A line that is taken away is in force, too, and so is that nobody waits.
	number = a.number("SELECT server_set('synchronous_standby_names', NULL)")
	a.until(inForce(number), "ftt")
	a.until("SELECT server_look() LIKE '% waits=0 %'", "t")
	if text, err := os.ReadFile(a.File("postgresql.auto.conf")); err != nil || strings.Contains(string(text), "synchronous_standby_names") {
		w.t.Errorf("postgresql.auto.conf: %v\n%s", err, text)
	}
}
