package archtest

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mapped are the directories whose files the map names one by one, with all below
// them. Of other directories that hold code it names the directory.
var mapped = []string{"core", "sim", "node", "pgext/engine"}

// mapFaults compares the map of ARCHITECTURE.md with the project's source files. In
// the map, a directory stands at 4 spaces and ends in a slash, its files stand below
// it at 6; after the name come two spaces or more and the purpose. A file's name may
// hold a star.
func mapFaults(text string, files []string) []string {
	var faults []string
	fault := func(f string, a ...any) { faults = append(faults, fmt.Sprintf(f, a...)) }
	_, text, ok := strings.Cut(text, "\n## The map\n")
	if !ok {
		return []string{"there is no section \"The map\""}
	}
	text, _, _ = strings.Cut(text, "\n## ")
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return strings.Contains(f, "/testdata/") })
	dirs, named := map[string]bool{}, map[string]string{} // directory; file -> line that names it
	dir := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		entry, isEntry := strings.CutPrefix(line, "    ")
		if !isEntry {
			continue
		}
		name, purpose, _ := strings.Cut(strings.TrimSpace(entry), "  ")
		if strings.TrimSpace(purpose) == "" {
			fault("%q has no purpose", name)
		}
		if d, isDir := strings.CutSuffix(name, "/"); isDir && !strings.HasPrefix(entry, " ") {
			dir = d
			if dirs[dir] {
				fault("%s/ is named twice", dir)
			}
			dirs[dir] = true
			if !slices.ContainsFunc(files, func(f string) bool { return path.Dir(f) == dir }) {
				fault("%s/ holds no source files", dir)
			}
			continue
		}
		faults = append(faults, nameFiles(path.Join(dir, name), files, named)...)
	}
	for _, f := range files {
		in := func(d string) bool { return strings.HasPrefix(f, d+"/") }
		switch {
		case !dirs[path.Dir(f)]:
			fault("%s lies in a directory that is not in the map", f)
		case named[f] == "" && !strings.HasSuffix(f, "_test.go") && slices.ContainsFunc(mapped, in):
			fault("%s is not in the map", f)
		}
	}
	return faults
}

// nameFiles notes which files the pattern of a line names. One that a pattern
// without a star names is not another's.
func nameFiles(pattern string, files []string, named map[string]string) (faults []string) {
	found := false
	for _, f := range files {
		if ok, err := path.Match(pattern, f); err != nil {
			return []string{fmt.Sprintf("%s: %v", pattern, err)}
		} else if !ok || strings.HasSuffix(f, "_test.go") {
			continue
		}
		found = true
		if by := named[f]; by != "" {
			faults = append(faults, fmt.Sprintf("%s is named by %s and by %s", f, by, pattern))
		}
		named[f] = pattern
	}
	if !found {
		faults = append(faults, fmt.Sprintf("there is no file %s", pattern))
	}
	return faults
}

func TestMap(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := slices.DeleteFunc(sourceFiles(t), func(f string) bool {
		return !slices.Contains([]string{".go", ".c"}, path.Ext(f))
	})
	files = append(files, slices.Sorted(maps.Keys(generated))...)
	for _, f := range mapFaults(string(text), files) {
		t.Errorf("ARCHITECTURE.md: %s", f)
	}
}

// Each fault must be seen.
func TestMapFails(t *testing.T) {
	const good = "\n## The map\n\nText.\n\n    core/     what is decided\n      a.go    a purpose\n      f_*.go  more\n    tools/x/  a tool\n\n## Next\n\n    other/\n"
	files := []string{"core/a.go", "core/a_test.go", "core/f_1.go", "core/f_2.go", "tools/x/main.go", "tools/x/testdata/t.c"}
	for _, c := range []struct {
		name, text string
		files      []string
		want       string
	}{
		{"a good map", good, files, ""},
		{"no map", "# Title\n", files, `there is no section "The map"`},
		{"a file that is not named", good, append([]string{"core/b.go"}, files...), "core/b.go is not in the map"},
		{"a name without a file", strings.ReplaceAll(good, " a.go    a", " a.go    a\n      c.go    c"), files, "there is no file core/c.go"},
		{"a star without a file", good, files[:2], "there is no file core/f_*.go"},
		{"no purpose", strings.ReplaceAll(good, "a purpose", ""), files, `"a.go" has no purpose`},
		{"named twice", strings.ReplaceAll(good, "f_*.go  more", "*.go    more"), files, "core/a.go is named by core/a.go and by core/*.go"},
		{"a directory twice", strings.ReplaceAll(good, "tools/x/ ", "core/    "), files, "core/ is named twice"},
		{"a directory that is not named", good, append([]string{"node/a.go"}, files...), "node/a.go lies in a directory that is not in the map"},
		{"a tool's directory that is not named", good, append([]string{"tools/y/a.go"}, files...), "tools/y/a.go lies in a directory that is not in the map"},
		{"a directory without files", good, files[:4], "tools/x/ holds no source files"},
	} {
		faults := mapFaults(c.text, c.files)
		if c.want == "" && len(faults) > 0 || c.want != "" && !slices.Contains(faults, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, faults, c.want)
		}
	}
}
