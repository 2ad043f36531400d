//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// exportTables is applyTables with what fills one node's table from another's.
const exportTables = applyTables + `
CREATE FUNCTION export_applied() RETURNS bytea LANGUAGE sql AS $$
	SELECT convert_to(coalesce(json_agg(a ORDER BY place), '[]')::text, 'UTF8') FROM applied a
$$;
CREATE FUNCTION import_applied(state bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM applied;
	INSERT INTO applied (index, term, data)
		SELECT index, term, data FROM json_populate_recordset(NULL::applied, convert_from(state, 'UTF8')::json) ORDER BY place;
END $$;
`

const registerExport = "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', 'export_applied()', 'import_applied(bytea)')"

// exportCluster is a cluster whose nodes apply, export and import, with a log
// that is cut soon.
func (s *suite) exportCluster(ctx context.Context, t *testing.T) *pgcluster.Cluster {
	t.Helper()
	c := s.extraCluster(ctx, t, nodes, map[string]string{"pgraft.retain_entries": "100", "pgraft.snapshot_entries": "50"})
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	leader := connect(ctx, t, s.leader(ctx, t, c.Servers[0]))
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, leader, server)
	}
	for _, server := range c.Servers {
		conn := connect(ctx, t, server)
		exec(ctx, t, conn, exportTables)
		exec(ctx, t, conn, registerExport)
	}
	return c
}

// With export and import the log is cut though a member is away, and what comes
// back late, or joins late, gets the tables' state and goes on from there: each
// entry is in its table once. One whose database is gone gets it as well.
func fillsALateNode(ctx context.Context, t *testing.T, s *suite) {
	c := s.exportCluster(ctx, t)
	first, away := c.Servers[0], c.Servers[2]
	writeEntries(ctx, t, first, "while all are there", 100)
	for range 6 { // more than a part
		must(t, sqlapi.Replicate(ctx, connect(ctx, t, first), strings.Repeat("large ä", 120_000)))
	}
	waitApplied(ctx, t, c.Servers...)
	must(t, away.Stop(ctx))
	writeEntries(ctx, t, first, "while one is away", 1000)
	for _, server := range c.Servers[:2] {
		s.waitCut(ctx, t, server, 120)
		must(t, server.Restart(ctx)) // their cores begin at the newest snapshot
	}
	s.leader(ctx, t, c.Servers[:2]...)
	must(t, away.Start(ctx))
	writeEntries(ctx, t, first, "when it is back", 20)
	sameTables(ctx, t, c.Servers...)

	late, err := c.AddServer(ctx, nil)
	must(t, err)
	must(t, late.Start(ctx))
	initialise(ctx, t, late)
	addNode(ctx, t, connect(ctx, t, s.leader(ctx, t, c.Servers[:nodes]...)), late)
	conn := connect(ctx, t, late)
	exec(ctx, t, conn, exportTables)
	exec(ctx, t, conn, registerExport)
	writeEntries(ctx, t, late, "from the late one", 20)
	sameTables(ctx, t, c.Servers...)
	logged := 0
	for _, server := range []*pgcluster.Server{away, late} {
		if log := server.LogTail(1 << 20); strings.Contains(log, "has filled database") {
			logged++
		}
	}
	if logged != 2 {
		t.Errorf("%d of 2 nodes say in their logs that their database was filled", logged)
	}

	// Its tables are lost, by hand: the progress, too.
	exec(ctx, t, conn, "BEGIN; TRUNCATE applied; TRUNCATE pgraft.apply_progress; COMMIT; "+registerExport)
	sameTables(ctx, t, c.Servers...)
	var copies int64
	must(t, conn.QueryRow(ctx, "SELECT count(*) - count(DISTINCT index) FROM applied").Scan(&copies))
	if copies != 0 {
		t.Errorf("%d entries are there more than once", copies)
	}
	refusesExports(ctx, t, conn)
}

// refusesExports: what cannot be registered, and what fails when it is called.
func refusesExports(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for sql, state := range map[string]string{
		"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', 'export_applied()')":                                                "22023",
		"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', import => 'import_applied(bytea)')":                                 "22023",
		"SELECT pgraft_set_apply_function(NULL, 'export_applied()', 'import_applied(bytea)')":                                                    "22023",
		"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', 'now()', 'import_applied(bytea)')":                                  "42P13",
		"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', 'export_applied()', 'apply_entry(bigint,bigint,text)')":             "42P13",
		"SELECT pgraft_set_apply_function('import_applied(bytea)', 'export_applied()', 'import_applied(bytea)')":                                 "42P13",
		"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)', export => 'export_applied()', import => 'no_such_function(bytea)')": "42883",
	} {
		_, err := conn.Exec(ctx, sql)
		wantState(t, state, err, sql)
	}
}

// An import that fails is held like an entry that fails, and tried again; one
// that nobody can export for says so.
func holdsAFailedImport(ctx context.Context, t *testing.T, s *suite) {
	c := s.exportCluster(ctx, t)
	first := c.Servers[0]
	writeEntries(ctx, t, first, "before", 300)
	for _, server := range c.Servers {
		s.waitCut(ctx, t, server, 50)
	}
	late, err := c.AddServer(ctx, nil)
	must(t, err)
	must(t, late.Start(ctx))
	initialise(ctx, t, late)
	addNode(ctx, t, connect(ctx, t, s.leader(ctx, t, c.Servers[:nodes]...)), late)
	conn := connect(ctx, t, late)
	exec(ctx, t, conn, exportTables)
	exec(ctx, t, conn, "ALTER FUNCTION import_applied(bytea) RENAME TO import_kept; CREATE FUNCTION import_applied(state bytea) RETURNS void LANGUAGE sql AS 'SELECT 1 / 0'")
	exec(ctx, t, conn, registerExport)
	waitForState(ctx, t, conn, "failed", func(a applyState) bool { return *a.Code == "22012" })
	if got := text(ctx, t, conn, "SELECT count(*)::text FROM applied"); got != "0" {
		t.Errorf("after a failed import there are %s rows", got)
	}
	if got := text(ctx, t, conn, "SELECT index::text FROM pgraft.apply_progress"); got != "0" {
		t.Errorf("after a failed import the progress is %s", got)
	}

	// Now nobody exports.
	for _, server := range c.Servers[:nodes] {
		exec(ctx, t, connect(ctx, t, server), "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	}
	exec(ctx, t, conn, registerExport)
	failed := waitForState(ctx, t, conn, "failed", func(a applyState) bool { return *a.Code == "55000" })
	if !strings.Contains(*failed.Error, "no longer in the log of any node") {
		t.Errorf("it says %q", *failed.Error)
	}

	exec(ctx, t, connect(ctx, t, first), registerExport)
	exec(ctx, t, conn, "DROP FUNCTION import_applied(bytea); ALTER FUNCTION import_kept(bytea) RENAME TO import_applied")
	exec(ctx, t, conn, registerExport)
	sameTables(ctx, t, c.Servers...)
	if got := text(ctx, t, conn, "SELECT count(*)::text FROM applied WHERE data LIKE 'before %'"); got != fmt.Sprint(300) {
		t.Errorf("%s of 300 entries came over", got)
	}
}
