package pages

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What the README of each language of scripts says is what its harness knows.
func TestVerbsAreDescribed(t *testing.T) {
	stories := storyVerbs(t)
	for name, c := range map[string]struct {
		page    string
		heading string
		rows    []row
		known   []string
	}{
		"core":     {"core/README.md", "## Format", nil, slices.Concat(verbMaps(t, "core"), cases(t, "core/script_test.go", "do"))},
		"SQL":      {"tools/integration/scripts/README.md", "# Stories on real servers", nil, verbMaps(t, "tools/integration/scripts")},
		"failover": {"core/failover/README.md", "# Stories of failover", nil, slices.Collect(maps.Keys(stories))},
		"sim": {"sim/README.md", "## Scripts of the simulator", nil, slices.Concat(cases(t, "sim/script.go", "setOption"),
			cases(t, "sim/decision.go", "ParseDecision"), compared(t, "sim/script_test.go", "Key"))},
	} {
		text, err := os.ReadFile(filepath.Join(top, c.page))
		if err != nil {
			t.Fatal(err)
		}
		c.rows = tableRows("\n"+string(text), c.heading)
		var described []string
		for _, r := range c.rows {
			described = append(described, r.names...)
		}
		for _, w := range difference(c.known, described) {
			t.Errorf("%s, %q, does not describe `%s`", c.page, c.heading, w)
		}
		for _, w := range difference(described, c.known) {
			t.Errorf("%s, %q, describes `%s`, which %s does not know", c.page, c.heading, w, name)
		}
		if len(described) < 10 {
			t.Errorf("%s, %q: only %q", c.page, c.heading, described)
		}
		if name != "failover" {
			continue
		}
		for _, r := range c.rows {
			var args []string
			for _, v := range r.names {
				args = append(args, stories[v]...)
			}
			if a, b := difference(args, r.args), difference(r.args, args); len(a)+len(b) > 0 {
				t.Errorf("%s: arguments of %q: %q are not described, %q are not known", c.page, r.names, a, b)
			}
		}
	}
}

// row is one of a table: the words of its first cell and, of three, the arguments of the second.
type row struct{ names, args []string }

var code = regexp.MustCompile("`([^`]+)`")

// tableRows are those of all tables between a heading and the next one.
func tableRows(text, heading string) (l []row) {
	_, section, _ := strings.Cut(text, "\n"+heading+"\n")
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "#") {
			break
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		r := row{names: words(cells[0])}
		if len(cells) > 2 {
			r.args = words(cells[1])
		}
		// "`node` of `set`" names the verb that it is an argument of.
		r.args = slices.DeleteFunc(r.args, func(w string) bool { return slices.Contains(r.names, w) })
		l = append(l, r)
	}
	return l
}

func words(cell string) (l []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		w, _, _ := strings.Cut(m[1], "=")
		l = append(l, w)
	}
	return l
}

func difference(a, b []string) (l []string) {
	for _, w := range a {
		if !slices.Contains(b, w) && !slices.Contains(l, w) {
			l = append(l, w)
		}
	}
	return l
}

// source parses the Go files of a directory, or one.
func source(t *testing.T, path string) (files []*ast.File) {
	t.Helper()
	paths := []string{filepath.Join(top, path)}
	if !strings.HasSuffix(path, ".go") {
		var err error
		if paths, err = filepath.Glob(filepath.Join(top, path, "*_test.go")); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// verbMaps are the keys of a package's variables that are called verbs, or something of that.
func verbMaps(t *testing.T, path string) (l []string) {
	t.Helper()
	for _, f := range source(t, path) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasSuffix(strings.ToLower(v.Names[0].Name), "verbs") || len(v.Values) != 1 {
				return true
			}
			if m, ok := v.Values[0].(*ast.CompositeLit); ok {
				for _, e := range m.Elts {
					l = append(l, literal(e.(*ast.KeyValueExpr).Key))
				}
			}
			return true
		})
	}
	return l
}

// cases are the strings of the switches in a function.
func cases(t *testing.T, path, function string) (l []string) {
	t.Helper()
	for _, f := range source(t, path) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == function {
				ast.Inspect(fn, func(n ast.Node) bool {
					if c, ok := n.(*ast.CaseClause); ok {
						l = append(l, literals(c.List)...)
					}
					return true
				})
			}
		}
	}
	return l
}

// compared are the strings that a field is compared with.
func compared(t *testing.T, path, field string) (l []string) {
	t.Helper()
	for _, f := range source(t, path) {
		ast.Inspect(f, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok {
				if s, ok := b.X.(*ast.SelectorExpr); ok && s.Sel.Name == field {
					l = append(l, literals([]ast.Expr{b.Y})...)
				}
			}
			return true
		})
	}
	return l
}

func literals(exprs []ast.Expr) (l []string) {
	for _, e := range exprs {
		if w := literal(e); w != "" {
			l = append(l, w)
		}
	}
	return l
}

func literal(e ast.Expr) string {
	if x, ok := e.(*ast.BasicLit); ok && x.Kind == token.STRING {
		if w, err := strconv.Unquote(x.Value); err == nil {
			return w
		}
	}
	return ""
}

// storyVerbs are those of core/failover with their arguments: the cases of the switches over
// the command, and what they, and the methods that they call, ask of it.
func storyVerbs(t *testing.T) map[string][]string {
	t.Helper()
	methods := map[string]*ast.FuncDecl{}
	for _, f := range source(t, "core/failover") {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && strings.Contains(fmt.Sprint(fn.Recv.List[0].Type), "story") {
				methods[fn.Name.Name] = fn
			}
		}
	}
	verbs := map[string][]string{}
	clauses := map[*ast.CaseClause]bool{} // whether their function has asked for a node before
	for _, fn := range methods {
		ast.Inspect(fn, func(n ast.Node) bool {
			s, ok := n.(*ast.SwitchStmt)
			if !ok {
				return true
			}
			if tag, ok := s.Tag.(*ast.SelectorExpr); !ok || tag.Sel.Name != "Cmd" {
				return true
			}
			for _, c := range s.Body.List {
				clauses[c.(*ast.CaseClause)] = fn.Name.Name != "run"
			}
			return false
		})
	}
	for c := range clauses {
		for _, v := range literals(c.List) {
			verbs[v] = nil
		}
	}
	for c, node := range clauses {
		args := map[string]bool{}
		if node {
			args["node"] = true
		}
		seen := map[string]bool{}
		for _, s := range c.Body {
			asked(s, methods, verbs, literals(c.List), seen, args)
		}
		for _, v := range literals(c.List) {
			verbs[v] = slices.Sorted(maps.Keys(args))
		}
	}
	return verbs
}

// asked are the arguments that a piece of a harness asks for. What is another verb's method is
// that one's.
func asked(n ast.Node, methods map[string]*ast.FuncDecl, verbs map[string][]string, own []string, seen, args map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		_, other := verbs[s.Sel.Name]
		switch fn := methods[s.Sel.Name]; {
		case s.Sel.Name == "HasArg" || s.Sel.Name == "number":
			if w := literals(c.Args); len(w) > 0 {
				args[w[0]] = true
			}
		case s.Sel.Name == "host": // with an argument it is the world's
			if len(c.Args) == 0 {
				args["node"] = true
			}
		case fn != nil && !seen[s.Sel.Name] && (!other || slices.Contains(own, s.Sel.Name)):
			seen[s.Sel.Name] = true
			asked(fn.Body, methods, verbs, own, seen, args)
		}
		return true
	})
}
