//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// What a DBA has set for the sessions of the database is not for the apply worker:
// it neither stops it, nor has triggers fire on one node and not on another.
func appliesWhateverIsSet(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, 1, nil)
	server := c.Servers[0]
	conn := connect(ctx, t, server)
	exec(ctx, t, conn, `CREATE TABLE fired (data text);
		CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO fired VALUES (new.data); RETURN NULL; END $$;
		CREATE TRIGGER fire AFTER INSERT ON applied FOR EACH ROW EXECUTE FUNCTION fire();
		CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS
			$$ BEGIN PERFORM pg_sleep(0.3); INSERT INTO applied (index, term, data) VALUES (index, term, data); END $$`)
	hostile := map[string]string{"session_replication_role": "replica", "default_transaction_read_only": "on",
		"default_transaction_isolation": "serializable", "statement_timeout": "100ms", "lock_timeout": "1ms",
		"idle_in_transaction_session_timeout": "1ms", "role": "low", "session_authorization": "low",
		"row_security": "off", "exit_on_error": "on"}
	exec(ctx, t, conn, "CREATE ROLE low")
	version, err := strconv.Atoi(text(ctx, t, conn, "SHOW server_version_num"))
	must(t, err)
	if version >= 170000 {
		hostile["transaction_timeout"] = "100ms"
	}
	for name, value := range hostile {
		exec(ctx, t, conn, "ALTER DATABASE postgres SET "+name+" = '"+value+"'")
	}
	exec(ctx, t, conn, "ALTER ROLE postgres SET default_transaction_read_only = on")
	exec(ctx, t, conn, "SELECT pg_terminate_backend(pid, 10000) FROM pgraft_stat_apply")
	must(t, sqlapi.Replicate(ctx, conn, "slow"))
	waitForState(ctx, t, conn, "running", func(applyState) bool {
		return text(ctx, t, conn, "SELECT string_agg(data, ' ') FROM fired") == "slow"
	})
	for name := range hostile {
		exec(ctx, t, conn, "ALTER DATABASE postgres RESET "+name)
	}
	exec(ctx, t, conn, "ALTER ROLE postgres RESET default_transaction_read_only")
	checkApplied(ctx, t, server)

	if version < 170000 {
		return // no setting there ends a session within a function
	}
	// An entry whose function ends the worker is held and shown like any other: the
	// next worker knows where it stands, waits longer each time, and can be helped.
	exec(ctx, t, conn, `CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN PERFORM set_config('transaction_timeout', '10ms', true); PERFORM pg_sleep(60); END $$`)
	must(t, sqlapi.Replicate(ctx, conn, "fatal"))
	var got applyState
	must(t, wait.For(ctx, settleLimit, "the entry to fail twice", func(ctx context.Context) error {
		rows, err := conn.Query(ctx, "SELECT state, failing_index, retries, last_error_sqlstate, last_error FROM pgraft_stat_apply")
		if err != nil {
			return err
		}
		got, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[applyState])
		if err == nil && (got.Failing == nil || got.Retries == nil || *got.Retries == 0) {
			err = fmt.Errorf("it is %+v", got)
		}
		return err
	}))
	if *got.Code != "25P04" || !strings.Contains(*got.Error, "transaction timeout") {
		t.Errorf("the error is %s %s, want the transaction timeout", *got.Code, *got.Error)
	}
	exec(ctx, t, conn, "SELECT pgraft_apply_skip($1)", *got.Failing)
	waitForState(ctx, t, conn, "running", nil)
}

// Two sessions register at once: the second waits for the first, and stays. A
// transaction that registers is not for another session to commit.
func registersAtOnce(ctx context.Context, t *testing.T, server *pgcluster.Server) {
	const register = "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')"
	conn, second := connect(ctx, t, server), connect(ctx, t, server)
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function(NULL)")
	for range 2 { // with no row yet, then with one
		tx, err := conn.Begin(ctx)
		must(t, err)
		_, err = tx.Exec(ctx, register)
		must(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := second.Exec(ctx, register)
			done <- err
		}()
		must(t, wait.For(ctx, settleLimit, "the second session to wait", func(ctx context.Context) error {
			var waits bool
			err := tx.QueryRow(ctx, "SELECT cardinality(pg_blocking_pids($1)) > 0", second.PgConn().PID()).Scan(&waits)
			if err == nil && !waits {
				err = errors.New("it does not")
			}
			return err
		}))
		must(t, tx.Commit(ctx))
		must(t, <-done)
	}
	tx, err := conn.Begin(ctx)
	must(t, err)
	_, err = tx.Exec(ctx, register)
	must(t, err)
	_, err = tx.Exec(ctx, "PREPARE TRANSACTION 'registered'")
	wantState(t, "0A000", err, "PREPARE TRANSACTION after a registration")
	must(t, tx.Rollback(ctx))
	_, err = conn.Exec(ctx, "BEGIN READ ONLY; "+register)
	wantState(t, "25006", err, "a registration in a read-only transaction")
	exec(ctx, t, conn, "ROLLBACK")
}
