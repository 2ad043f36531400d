package core_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The same inputs must give the same outputs on every machine. What could break
// that is kept out of the sources: see the rules in purity_rules_test.go.

// listed is what this test reads of `go list`.
type listed struct {
	ImportPath string
	Dir        string
	Export     string // file with the package's types
	DepOnly    bool
	GoFiles    []string
}

// list finds the packages below core but generated ones and those for tests, and
// compiles what they and the snippets import, so that the types of that are known.
func list(t *testing.T) (pure []listed, exports map[string]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,DepOnly,GoFiles", "./...", "maps")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	exports = map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pure, exports
		} else if err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && p.ImportPath != "maps" && !slices.Contains(notPure, p.ImportPath) {
			pure = append(pure, p)
		}
	}
}

// notPure are generated code, and libraries of tests.
var notPure = []string{module + "/core/corepb", module + "/core/storetest", module + "/core/rapidtest"}

// check type-checks one package and returns what breaks a rule, one line each.
func check(path string, files []*ast.File, fset *token.FileSet, exports map[string]string) ([]string, error) {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	var errs []error
	conf := types.Config{
		Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
			if exports[path] == "" {
				return nil, fmt.Errorf("not imported by core: %s", path)
			}
			return os.Open(exports[path])
		}),
		Error: func(err error) { errs = append(errs, err) },
	}
	// An error that matters is in errs: the return value is the first of them.
	_, _ = conf.Check(path, fset, files, info)
	r := rules{path: path, fset: fset, info: info}
	for _, f := range files {
		r.file(f)
	}
	return r.found, errors.Join(errs...)
}

func TestCoreIsPure(t *testing.T) {
	packages, exports := list(t)
	if !slices.ContainsFunc(packages, func(p listed) bool { return p.ImportPath == module+"/core" }) {
		t.Fatalf("go list did not name %s/core: %v", module, packages)
	}
	for _, p := range packages {
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		found, err := check(p.ImportPath, files, fset, exports)
		if err != nil {
			t.Errorf("%s: types: %v", p.ImportPath, err)
		}
		for _, line := range found {
			t.Error(line)
		}
	}
}

// Each rule must be seen to fail, or a mistake in it would let everything pass.
func TestPurityRulesFail(t *testing.T) {
	_, exports := list(t)
	for _, c := range []struct {
		name, path, source, want string // want "" = pure
	}{
		{"sorted keys", "", `import ("maps"; "slices")
			func f(m map[int]int) { for _, k := range slices.Sorted(maps.Keys(m)) { _ = k } }`, ""},
		{"sorted keys by a function", "", `import ("cmp"; "maps"; "slices")
			func f(m map[int]int) []int { return slices.SortedFunc(maps.Keys(m), cmp.Compare[int]) }`, ""},
		{"sentinel and interface check", "", `import "errors"
			var ErrBusy = errors.New("busy")
			type e struct{}
			func (e) Error() string { return "" }
			var _ error = e{}`, ""},
		{"range over a slice of maps", "", `func f(l []map[int]int) { for range l {} }`, ""},
		{"checkpoint may use unsafe", module + "/core/checkpoint", `import "unsafe"
			func f(p *int) uintptr { return uintptr(unsafe.Pointer(p)) }`, ""},

		{"time", "", `import "time"; var _ = time.Now`, "import of time"},
		{"os", "", `import "os"; var _ = os.Args`, "import of os"},
		{"net", "", `import _ "net/http"`, "import of net/http"},
		{"io", "", `import _ "io"`, "import of io"},
		{"sync", "", `import _ "sync/atomic"`, "import of sync/atomic"},
		{"context", "", `import _ "context"`, "import of context"},
		{"log", "", `import _ "log/slog"`, "import of log/slog"},
		{"math/rand", "", `import _ "math/rand/v2"`, "import of math/rand/v2"},
		{"crypto/rand", "", `import _ "crypto/rand"`, "import of crypto/rand"},
		{"a hash with a random seed", "", `import _ "hash/maphash"`, "import of hash/maphash"},
		{"C", "", `import "C"`, "import of C"},
		{"another part of the project", "", `import _ "` + module + `/node"`, "import of " + module + "/node"},
		{"a package whose name begins alike", "", `import _ "` + module + `/corepb"`, "import of " + module + "/corepb"},
		{"unsafe outside checkpoint", "", `import _ "unsafe"`, "import of unsafe"},
		{"reflect outside checkpoint", "", `import _ "reflect"`, "import of reflect"},

		{"goroutine", "", `func f() { go f() }`, "go statement"},
		{"channel", "", `func f() any { return make(chan int) }`, "channel type"},
		{"channel parameter", "", `func f(<-chan int) {}`, "channel type"},
		{"select", "", `func f() { select {} }`, "select statement"},

		{"variable", "", `var count int`, "package-level variable count"},
		{"variable in a group", "", `var (_ error; cache = map[int]int{})`, "package-level variable cache"},
		{"second sentinel is none", "", `import "errors"
			var a, b = errors.New("a"), 1`, "package-level variable b"},
		{"another package's New", "", `import errors "strings"
			var a = errors.NewReplacer()`, "package-level variable a"},

		{"map", "", `func f(m map[int]int) { for k := range m { _ = k } }`, "range over a map"},
		{"named map", "", `type set map[int]bool
			func f(s struct{ s set }) { for k := range s.s { _ = k } }`, "range over a map"},
		{"map of a type parameter", "", `func f[M ~map[int]int](m M) { for range m {} }`, "range over a map"},
		{"unsorted keys", "", `import "maps"
			func f(m map[int]int) { for k := range maps.Keys(m) { _ = k } }`, "maps.Keys outside slices.Sorted"},
		{"collected, never sorted", "", `import ("maps"; "slices")
			func f(m map[int]int) []int { return slices.Collect(maps.Values(m)) }`, "maps.Values outside slices.Sorted"},
		{"renamed import", "", `import m "maps"
			func f(x map[int]int) { for range m.All(x) {} }`, "maps.All outside slices.Sorted"},
		{"calls in map order", "", `import "maps"
			func f(m map[int]int) { maps.DeleteFunc(m, func(a, b int) bool { return true }) }`, "maps.DeleteFunc"},

		{"printing", "", `import "fmt"
			func f() { fmt.Println() }`, "fmt.Println"},
		{"built-in printing", "", `func f() { println() }`, "println"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path == "" {
				c.path = module + "/core"
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "snippet.go", "package p\n"+c.source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			// Forbidden imports have no types here; what else is wrong would
			// show as a rule that does not fail.
			found, err := check(c.path, []*ast.File{f}, fset, exports)
			switch {
			case c.want == "" && (len(found) > 0 || err != nil):
				t.Errorf("pure, but found %q, %v", found, err)
			case c.want != "" && (len(found) != 1 || !strings.Contains(found[0], c.want)):
				t.Errorf("found %q, want %q alone (%v)", found, c.want, err)
			}
		})
	}
}
