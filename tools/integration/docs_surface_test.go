//go:build integration

package integration

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pages"
)

var (
	headingName = regexp.MustCompile("`([a-z_.]+)`")
	castOrType  = regexp.MustCompile(`::[a-z]+`)
	columnNames = regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|")
)

// Every function, view and setting has its heading in the documents, with the
// signature that the server has; and nothing has one that is not there.
func documentsItsSurface(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	functions := named(t, "docs/functions.md")
	text := pageText(t, "docs/functions.md")
	conn := connect(ctx, t, s.cluster.Servers[0])
	rows, err := conn.Query(ctx, `SELECT p.proname, p.proname || '(' || pg_get_function_arguments(p.oid) || ') returns ' || pg_get_function_result(p.oid)
		FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = 'pgraft' ORDER BY 1`)
	must(t, err)
	var there []string
	for rows.Next() {
		var name, signature string
		must(t, rows.Scan(&name, &signature))
		there = append(there, name)
		serves := strings.HasPrefix(name, "pgraft_stat_get_") || strings.HasSuffix(name, "_for_view")
		if want := "\n`" + castOrType.ReplaceAllString(signature, "") + "`\n"; !serves && !strings.Contains(text, want) {
			t.Errorf("docs/functions.md does not have the line %s", want)
		}
	}
	must(t, rows.Err())
	rows, err = conn.Query(ctx, `SELECT c.relname, array_agg(a.attname ORDER BY a.attnum)::text[] FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid
		WHERE e.extname = 'pgraft' AND c.relkind = 'v' AND a.attnum > 0 GROUP BY 1`)
	must(t, err)
	for rows.Next() {
		var name string
		var columns []string
		must(t, rows.Scan(&name, &columns))
		there = append(there, name)
		if got := columnsOf(t, name); !slices.Equal(got, columns) {
			t.Errorf("docs/monitoring.md has for %s the columns\n%v\nbut they are\n%v", name, got, columns)
		}
	}
	must(t, rows.Err())
	slices.Sort(there)
	if there = slices.Compact(there); !slices.Equal(functions, there) {
		t.Errorf("docs/functions.md has headings for\n%v\nbut the extension has\n%v", functions, there)
	}
	var settings []string
	must(t, conn.QueryRow(ctx, "SELECT array_agg(name ORDER BY name COLLATE \"C\")::text[] FROM pg_settings WHERE name LIKE 'pgraft.%'").Scan(&settings))
	if got := named(t, "pgext/SETTINGS.md"); !slices.Equal(got, settings) {
		t.Errorf("pgext/SETTINGS.md has headings for\n%v\nbut the server has\n%v", got, settings)
	}
}

// named are the functions, views and settings that a page's headings name, sorted.
func named(t *testing.T, path string) []string {
	t.Helper()
	page, err := pages.Read(filepath.Join(docsTop, path))
	must(t, err)
	var names []string
	for _, h := range page.Headings {
		for _, m := range headingName.FindAllStringSubmatch(h, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// columnsOf are those in the table below a view's heading.
func columnsOf(t *testing.T, view string) []string {
	t.Helper()
	_, text, ok := strings.Cut(pageText(t, "docs/monitoring.md"), "\n### `"+view+"`\n")
	if !ok {
		return nil
	}
	text, _, _ = strings.Cut(text, "\n##")
	var names []string
	for _, row := range columnNames.FindAllStringSubmatch(text, -1) {
		for _, m := range headingName.FindAllStringSubmatch(row[1], -1) {
			names = append(names, m[1])
		}
	}
	return names
}

func pageText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(docsTop, path))
	must(t, err)
	return string(b)
}
