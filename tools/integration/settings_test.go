//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// settingsPage documents the settings; the path is from this package.
var settingsPage = filepath.Join("..", "..", "pgext", "SETTINGS.md")

// The page of settings says what the server says, and has a word on each.
func documentsItsSettings(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	page, err := os.ReadFile(settingsPage)
	must(t, err)
	rows, err := connect(ctx, t, s.cluster.Servers[0]).Query(ctx, `SELECT name, vartype, boot_val, coalesce(unit, ''), context, short_desc,
		coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, ', '), '')
		FROM pg_settings WHERE name LIKE 'pgraft.%' ORDER BY name`)
	must(t, err)
	var want []string
	for rows.Next() {
		var name, kind, boot, unit, level, about, low, high, values string
		must(t, rows.Scan(&name, &kind, &boot, &unit, &level, &about, &low, &high, &values))
		if low != "" {
			values = low + " to " + high
		}
		if boot != "" {
			boot = "`" + boot + "`"
		}
		want = append(want, cells("`"+name+"`", kind, boot, values, unit, level))
		if !strings.HasSuffix(about, ".") {
			t.Errorf("%s: short_desc %q is no sentence", name, about)
		}
		if strings.Count(string(page), "`"+name+"`") < 2 {
			t.Errorf("%s: %s has it in the table only", settingsPage, name)
		}
	}
	must(t, rows.Err())
	var got []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `pgraft.") {
			got = append(got, cells(strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")...))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has\n%s\nbut the server says\n%s", settingsPage, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func cells(values ...string) string {
	for i, v := range values {
		values[i] = strings.TrimSpace(v)
	}
	return strings.Join(values, " | ")
}

// addressTable says what an address may be; the path is from this package.
var addressTable = filepath.Join("..", "..", "testdata", "address", "addresses.txt")

// The settings and pgraft_add_node() refuse what the table says, and say what it says.
func checksAddresses(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	conn := connect(ctx, t, s.leader(ctx, t, s.cluster.Servers...))
	table, err := os.ReadFile(addressTable)
	must(t, err)
	check := func(sql, fault string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		var e *pgconn.PgError
		switch {
		case fault == "" && err != nil:
			t.Errorf("%s: %v", sql, err)
		case fault != "" && (!errors.As(err, &e) || e.Code != "22023" || e.Detail != fault || !strings.Contains(e.Hint, "db1.example.org")):
			t.Errorf("%s: %#v, want DETAIL %q", sql, err, fault)
		}
	}
	defer exec(ctx, t, conn, "ALTER SYSTEM RESET ALL")
	rows := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 2 {
			continue
		}
		host, err := strconv.Unquote(fields[1])
		must(t, err)
		if !utf8.ValidString(host) {
			continue // the server takes no such statement
		}
		dial, listen := "", ""
		if fields[0] != "both" {
			dial = fields[2]
		}
		if fields[0] == "neither" {
			listen = fields[2]
		}
		literal := "E'" + strings.NewReplacer("\n", `\n`, "\x7f", `\x7f`).Replace(host) + "'"
		check("ALTER SYSTEM SET pgraft.address = "+literal, dial)
		check("ALTER SYSTEM SET pgraft.listen_address = "+literal, listen)
		if dial != "" {
			check("SELECT pgraft_add_node(77, "+literal+", 1)", dial)
		}
		rows++
	}
	if rows < 40 {
		t.Errorf("%s has %d rows", addressTable, rows)
	}
	check("ALTER SYSTEM SET pgraft.listen_address = ''", "")
	check("ALTER SYSTEM SET pgraft.address = ''", "It must not be empty.")
	check("ALTER SYSTEM SET pgraft.address = '"+strings.Repeat("a", 256)+"'", "It has 256 bytes; at most 255 are allowed.")
}

// A reload takes new settings over, keeps the old ones where the new do not
// fit, and the cluster goes on.
func reloadsItsSettings(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	conn := connect(ctx, t, server)
	// both at once, in either order, through pairs that would not fit one by one
	for _, pair := range [][2]string{{"250ms", "50ms"}, {"3s", "900ms"}, {"1s", "100ms"}} {
		must(t, server.Set(map[string]string{"pgraft.election_timeout": pair[0], "pgraft.heartbeat_interval": pair[1]}))
		reload(ctx, t, conn)
		waitSetting(ctx, t, conn, "pgraft.election_timeout", pair[0])
		waitSetting(ctx, t, conn, "pgraft.heartbeat_interval", pair[1])
		s.leader(ctx, t, server)
		must(t, sqlapi.Replicate(ctx, conn, "with "+pair[0]))
	}
	must(t, server.Set(map[string]string{"pgraft.election_timeout": "200ms", "pgraft.retain_entries": "5000"}))
	reload(ctx, t, conn)
	waitSetting(ctx, t, conn, "pgraft.retain_entries", "5000")
	waitSetting(ctx, t, conn, "pgraft.election_timeout", "1s") // refused: below 3 x 100 ms
	must(t, sqlapi.Replicate(ctx, conn, "after a refused reload"))
}

func reload(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(ctx, "SELECT pg_reload_conf()")
	must(t, err)
}

func waitSetting(ctx context.Context, t *testing.T, conn *pgx.Conn, name, want string) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, name+" = "+want, func(ctx context.Context) error {
		var got string
		err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&got)
		if err == nil && got != want {
			err = fmt.Errorf("it is %s", got)
		}
		return err
	}))
}

// Whoever may read the server's data directory may read what the node writes into
// it, so that a member of its group can back it up, and nobody else may.
func followsTheMode(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	// as initdb --allow-group-access leaves it
	must(t, filepath.WalkDir(server.DataDir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o750)
		}
		return os.Chmod(path, 0o640)
	}))
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	conn := connect(ctx, t, server)
	if mode := text(ctx, t, conn, "SHOW data_directory_mode"); mode != "0750" {
		t.Fatalf("data_directory_mode is %s", mode)
	}
	must(t, sqlapi.Replicate(ctx, conn, "x"))
	exec(ctx, t, conn, "SELECT pgraft_trace_save(current_setting('data_directory') || '/saved/traces')")
	seen := map[string]bool{}
	must(t, filepath.WalkDir(server.DataDir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o640)
		if e.IsDir() {
			want = 0o750
		}
		if mode := info.Mode().Perm(); mode != want {
			t.Errorf("%s has mode %o, want %o", path, mode, want)
		}
		seen[filepath.Base(path)] = true
		return nil
	}))
	for _, name := range []string{"pgraft", "SYNCED", "trace", "pgraft.initialized", "traces"} {
		if !seen[name] {
			t.Errorf("%s was not looked at", name)
		}
	}
}
