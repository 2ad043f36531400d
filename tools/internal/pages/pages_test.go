package pages

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../../.."

// runElsewhere are pages whose SQL a test of their own runs.
var runElsewhere = map[string]string{
	"pgext/examples/config_store/README.md": "TestIntegration/walks_through_the_config_store",
	"docs/witness.md":                       "TestIntegration/runs_the_page_of_the_witness",
}

// everyPage reads all pages of the project, by their paths from its top.
func everyPage(t *testing.T) map[string]Page {
	t.Helper()
	all := map[string]Page{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != top && (name == "build" || strings.HasPrefix(name, ".")):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		page, err := Read(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		all[filepath.ToSlash(rel)] = page
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("found only %d pages", len(all))
	}
	return all
}

func TestLinksResolve(t *testing.T) {
	all := everyPage(t)
	for path, page := range all {
		for _, l := range page.Links {
			if err := resolve(all, path, l.Target); err != nil {
				t.Errorf("%s:%d: %v", path, l.Line, err)
			}
		}
	}
}

func resolve(all map[string]Page, from, target string) error {
	file, anchor, _ := strings.Cut(target, "#")
	file, err := url.PathUnescape(file)
	if err != nil {
		return err
	}
	path := from
	if file != "" {
		path = filepath.ToSlash(filepath.Join(filepath.Dir(from), file))
	}
	if _, err := os.Stat(filepath.Join(top, path)); err != nil {
		return fmt.Errorf("link to %s: %w", target, err)
	}
	if anchor != "" && !slices.ContainsFunc(all[path].Headings, func(h string) bool { return Anchor(h) == anchor }) {
		return fmt.Errorf("link to %s: %s has no such heading", target, path)
	}
	return nil
}

// Every SQL example is run by a test, or says why not.
func TestExamplesAreMarked(t *testing.T) {
	for path, page := range everyPage(t) {
		if runElsewhere[path] != "" {
			continue
		}
		for i, item := range page.Items {
			if item.Lang != "sql" {
				continue
			}
			nodes, err := item.Nodes()
			switch {
			case err != nil:
				t.Errorf("%s: %v", path, err)
			case len(nodes) > 0 && !slices.Contains(Run, path):
				t.Errorf("%s:%d: no test runs this page: add it to pages.Run, or mark the block ```sql norun REASON", path, item.Line)
			case len(nodes) == 0 && item.Reason() == "":
				t.Errorf("%s:%d: mark the block: ```sql node=1, or ```sql norun REASON", path, item.Line)
			case len(nodes) == 0 && i+1 < len(page.Items) && page.Items[i+1].Lang == "text" && page.Items[i+1].After:
				t.Errorf("%s:%d: it prints something, but is not run", path, item.Line)
			}
		}
	}
}

func TestParse(t *testing.T) {
	page, err := parse("# A `b`, c\n\nsee [x](y.md#z) and [far](https://example.org)\n" +
		"```sql node=1,2\nSELECT 1;\n```\n\n```text\n1\n```\nprose\n```text\nother\n```\n<!-- test: stop 1 -->\n" +
		"    [no](link.md)\n```sql norun it is slow\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%q %v %v", page.Headings, page.Links, page.Items)
	want := `["A ` + "`b`" + `, c"] [{3 y.md#z}] [{4 sql node=1,2 SELECT 1;
 false} {8 text  1
 true} {12 text  other
 false} {15 test stop 1  false} {17 sql norun it is slow  false}]`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if nodes, err := page.Items[0].Nodes(); err != nil || !slices.Equal(nodes, []int{1, 2}) {
		t.Errorf("nodes %v, %v", nodes, err)
	}
	if r := page.Items[4].Reason(); r != "it is slow" {
		t.Errorf("reason %q", r)
	}
	if a := Anchor(page.Headings[0]); a != "a-b-c" {
		t.Errorf("anchor %q", a)
	}
	if _, err := parse("```sql node=1\nSELECT 1;\n"); err == nil {
		t.Error("a block that never ends was taken")
	}
	if _, err := (Item{Info: "node=1,x"}).Nodes(); err == nil {
		t.Error("node=1,x was taken")
	}
}

func TestMatches(t *testing.T) {
	const got = " id |  at   \n----+-------\n  1 | 12:30\n(1 row)\n"
	for page, want := range map[string]bool{
		got:                                    true,
		"id | at\n---+---\n1 | …\n(1 row)":     true,
		"id | at\n---+---\n1 | 1…0\n(1 row)":   true,
		"id | at\n---+---\n1 | 12:31\n(1 row)": false,
		"id | at\n---+---\n1 | …":              false,
		"id | at\n---+---\n…\n…\n(1 row)":      false,
		"":                                     false,
	} {
		if Matches(page, got) != want {
			t.Errorf("Matches is %v, want %v, for\n%s", !want, want, page)
		}
	}
}
