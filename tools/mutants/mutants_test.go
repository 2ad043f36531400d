package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/sim"
)

// Every mutant's place is still where it was: the text it replaces is there,
// once. Names are used once, classes are known, and each has two variants.
func TestMutantsApply(t *testing.T) {
	src, err := findSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, variants := map[string]bool{}, map[string]int{}
	for _, m := range mutants() {
		if _, err := src.changed(m); err != nil {
			t.Error(err)
		}
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		if classes[m.class] == "" {
			t.Errorf("mutant %s is of class %q", m.name, m.class)
		}
		names[m.name] = true
		if !m.control {
			variants[m.class]++
		}
	}
	for c := range classes {
		if variants[c] < 2 {
			t.Errorf("class %s has %d mutants, want 2 or more", c, variants[c])
		}
	}
}

// No edit takes the last use of an import away: such a mutant is not built.
func TestMutantsUseTheirImports(t *testing.T) {
	src, err := findSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, m := range mutants() {
		files, err := src.changed(m)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("mutant %s: %v", m.name, err)
				continue
			}
			for _, unused := range unusedImports(t, f) {
				t.Errorf("mutant %s: %s does not use its import of %s", m.name, name, unused)
			}
			looked++
		}
	}
	if looked < 100 {
		t.Errorf("only %d files were looked at", looked)
	}
}

func unusedImports(t *testing.T, f *ast.File) (unused []string) {
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	for _, i := range f.Imports {
		where, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(where)
		if strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == "" { // math/rand/v2
			name = path.Base(path.Dir(where))
		}
		if i.Name != nil {
			name = i.Name.Name
		}
		if !used[name] {
			unused = append(unused, where)
		}
	}
	return unused
}

// What an edit replaces has to be there exactly once.
func TestEditFailsLoudly(t *testing.T) {
	e := edit{"core/x.go", "vote", "note"}
	for text, want := range map[string]string{"a vote": "a note", "no": "", "vote, vote": ""} {
		got, err := e.apply(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}

// Every kind of fault and every checker is of use: RESULTS.md has a mutant for each that
// it finds alone, but for five of which it says what was tried, and no row of what is not
// there.
func TestEachPartFindsSomethingAlone(t *testing.T) {
	text, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## What each part finds alone\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	section, nothing, _ := strings.Cut(section, "\n| nothing yet |")
	finds := map[string]string{}
	for row := range strings.Lines(section) {
		if cells := strings.Split(row, "|"); len(cells) == 5 {
			part, _, _ := strings.Cut(cells[1], ",")
			finds[strings.TrimSpace(part)] = strings.TrimSpace(cells[2])
		}
	}
	parts := sim.Checks()
	for _, k := range sim.Kinds() {
		parts = append(parts, k.Name)
	}
	without := 0
	for _, part := range parts {
		if strings.Contains(nothing, "\n| "+part+" |") {
			if without++; without > 10 || finds[part] != "" {
				t.Errorf("RESULTS.md says that %s finds nothing alone: as the eleventh part, or wrongly", part)
			}
		} else if finds[part] == "" {
			t.Errorf("RESULTS.md has nothing that %s finds alone: make mutants-alone MUTANTS='-parts %s'", part, part)
		}
	}
	for part, finds := range finds {
		switch is := func(m mutant) bool { return m.name == finds }; {
		case finds == "finds" || strings.Trim(part, "-") == "": // a table's head
		case !slices.Contains(parts, part):
			t.Errorf("RESULTS.md says that %s finds %s, and there is no such part", part, finds)
		case !slices.ContainsFunc(mutants(), is):
			t.Errorf("RESULTS.md says that %s finds %s, and there is no such mutant", part, finds)
		}
	}
}
