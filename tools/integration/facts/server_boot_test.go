//go:build integration

package facts

import (
	"fmt"
	"strings"
)

// After each start of the server it is a standby, with no source of WAL; a restart in
// place takes the file promote away before redo starts.
func bootAsStandby(w *world) {
	a := w.a
	w.start(a)
	a.sql("INSERT INTO t VALUES (1)")
	a.die()
	must(w.t, a.Set(w.preloaded()))
	must(w.t, a.Set(map[string]string{"server_test.failover": "on", "fsync": "on", "restore_command": "false", "primary_conninfo": "host=127.0.0.1 port=1"}))
	a.put(historyFile(2), []byte(unused)) // of a promotion that did not come about
	w.start(a)
	standby := func() {
		w.t.Helper()
		a.until("SELECT pg_is_in_recovery()", "t")
		if !a.has("standby.signal") || a.has("promote") {
			w.t.Errorf("standby.signal: %v, promote: %v", a.has("standby.signal"), a.has("promote"))
		}
		for _, name := range []string{"primary_conninfo", "restore_command", "primary_slot_name"} {
			a.want("SHOW "+name, "")
		}
		a.until(idle, "RecoveryRetrieveRetryInterval")
		a.want("SELECT server_sources_ended(current_setting('pgraft.settings_number')::int)", "t")
	}
	standby()
	a.waitLog(0, fmt.Sprintf("server_test: WAL of timeline 1 ends at %s, a segment is missing: 0", a.replayed()), 1)
	a.want("SELECT count(*) FROM t", "1")
	if a.has(historyFile(2)) {
		w.t.Error("the history file of timeline 2 is there")
	}
	a.sql("SELECT pg_reload_conf()") // the files say the same
	standby()

	size := a.logSize()
	a.sql(fmt.Sprintf("SELECT server_promote('1@0/0,3@%s')", a.replayed()))
	a.until("SELECT pg_is_in_recovery()", "f")
	a.waitLog(size, "database system is ready to accept connections", 1) // until then a postmaster of 18 may miss a crash
	a.sql("INSERT INTO t VALUES (2)")
	postmaster := a.postmaster()
	size = a.logSize()
	a.put("promote", nil)
	if _, err := a.try(w.ctx, "SELECT server_restart()"); err == nil {
		w.t.Fatal("the session that restarts the server goes on")
	}
	a.thaw()
	a.waitLog(size, `removed file "promote"`, 1)
	a.waitLog(size, "database system is ready to accept read-only connections", 1)
	standby()
	if got := a.postmaster(); got != postmaster {
		w.t.Errorf("the postmaster is %d, and was %d", got, postmaster)
	}
	a.waitLog(size, fmt.Sprintf("server_test: WAL of timeline 3 ends at %s, a segment is missing: 0", a.replayed()), 1)
	a.want("SELECT count(*) FROM t", "2")
	a.want("SELECT server_last_timeline()", "3")
}

// A boot refuses, with a line that says why, what recovery would stop at or lose.
func bootRefused(w *world) {
	a := w.a
	must(w.t, a.Set(w.preloaded()))
	must(w.t, a.Set(map[string]string{"max_prepared_transactions": "5", "max_locks_per_transaction": "64", "max_worker_processes": "8", "max_wal_senders": "10"}))
	w.start(a) // pg_control has these now
	a.stop()
	must(w.t, a.Set(map[string]string{"server_test.failover": "on", "fsync": "on"}))
	for _, c := range []struct{ name, value, says string }{
		{"max_connections", "99", "max_connections is 99, and the server's WAL needs 100 at least"},
		{"max_worker_processes", "7", "max_worker_processes is 7, and the server's WAL needs 8 at least"},
		{"max_wal_senders", "9", "max_wal_senders is 9, and the server's WAL needs 10 at least"},
		{"max_prepared_transactions", "4", "max_prepared_transactions is 4, and the server's WAL needs 5 at least"},
		{"max_locks_per_transaction", "63", "max_locks_per_transaction is 63, and the server's WAL needs 64 at least"},
		{"fsync", "off", "fsync is off"},
		{"recovery_target", "immediate", "a recovery target is set"},
		{"recovery_target_timeline", "current", "a recovery target is set"},
		{"", "-c primary_conninfo=host=nowhere", "primary_conninfo is given on the command line"},
		{"", "-c restore_command=false", "restore_command is given on the command line"},
		{"", "-c primary_slot_name=s", "primary_slot_name is given on the command line"},
		{"", "-c synchronous_standby_names=s", "synchronous_standby_names is given on the command line"},
		// It loads the library, and looks at a setting only.
		{"", "-C shared_memory_size", ""},
	} {
		size := a.logSize()
		was := map[string]string{"max_prepared_transactions": "5", "max_locks_per_transaction": "64", "max_worker_processes": "8", "max_wal_senders": "10", "fsync": "on"}[c.name]
		if c.name != "" {
			a.set(c.name, c.value)
		} else {
			a.Ulimit = `-c 0 && set -- "$@" ` + c.value
		}
		if err := a.Start(w.ctx); err == nil {
			w.t.Fatalf("%s %s: the server starts", c.name, c.value)
		}
		if log := a.log(size); !strings.Contains(log, c.says) || c.says != "" && !strings.Contains(log, "FATAL:  pgraft: ") {
			w.t.Errorf("%s %s: the log does not say %q:\n%s", c.name, c.value, c.says, log)
		}
		if a.has("standby.signal") {
			w.t.Fatalf("%s %s: standby.signal is there", c.name, c.value)
		}
		switch {
		case c.name == "":
			a.Ulimit = ""
		case was == "":
			must(w.t, a.Unset(c.name))
		default:
			a.set(c.name, was)
		}
	}
	w.start(a)
	a.want("SELECT pg_is_in_recovery()", "t")
}
