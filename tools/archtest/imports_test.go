// Package archtest checks who imports whom in the project.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pgraft/pgraft"

// rule says what the packages below one top-level directory may import beside
// the standard library and each other. A name that ends in /... stands for all
// packages below it too.
type rule struct {
	dir     string
	imports []string // in the product and in its tests
	tests   []string // in tests only
}

// The core stands alone, what runs it stands on it, and nothing stands on the
// tools. (What core may take from the standard library is core's own test.)
var layers = []rule{
	{
		dir:     "core",
		imports: []string{"go.etcd.io/raft/v3/...", "google.golang.org/protobuf/..."},
		tests:   []string{"github.com/cockroachdb/datadriven", "pgregory.net/rapid"},
	},
	{
		dir: "sim",
		imports: []string{module + "/core/...", "go.etcd.io/raft/v3/...", "google.golang.org/protobuf/...",
			"github.com/anishathalye/porcupine"},
		tests: []string{"github.com/cockroachdb/datadriven", "pgregory.net/rapid"},
	},
	{
		dir: "node",
		imports: []string{module + "/core/...", "github.com/cockroachdb/pebble/v2/...",
			"google.golang.org/protobuf/...", "golang.org/x/sys/...", "github.com/prometheus/client_golang/..."},
		tests: []string{"github.com/cockroachdb/datadriven", "pgregory.net/rapid",
			"go.etcd.io/raft/v3/..."},
	},
	{
		dir:     "pgext",
		imports: []string{module + "/node/...", module + "/core/...", "google.golang.org/protobuf/..."},
	},
	{
		dir:     "tools",
		imports: []string{"..."},
	},
}

// modules are those that the rules above do not see, by their directories: a module
// of its own keeps what only it needs out of the project's go.mod.
var modules = []string{"tools/bench", "tools/bench/etcd"}

// listed is what this test reads of `go list`.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// goList runs `go list` at the top of the module.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list",
		"-json=ImportPath,Imports,TestImports,XTestImports"}, args...)...)
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		all = append(all, p)
	}
}

// standard tells the standard library's packages from others: only module
// paths have a dot in their first element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	dir, below := strings.CutSuffix(pattern, "/...")
	return path == dir || below && strings.HasPrefix(path, dir+"/")
}

// forTests tells a package that only tests import: its name ends in "test".
func forTests(path string) bool {
	return strings.HasPrefix(path, module+"/") && strings.HasSuffix(path, "test")
}

// forbidden returns what p imports against the rules, one line each.
func forbidden(p listed) []string {
	dir, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, module+"/"), "/")
	i := slices.IndexFunc(layers, func(r rule) bool { return r.dir == dir })
	if i < 0 {
		return []string{p.ImportPath + ": a top-level directory without a rule: see tools/archtest"}
	}
	own := module + "/" + dir + "/..."
	inTests := slices.Concat(layers[i].imports, layers[i].tests)
	var found []string
	look := func(imports, allowed []string, what string) {
		for _, path := range imports {
			if !standard(path) && !matches(own, path) &&
				!slices.ContainsFunc(allowed, func(a string) bool { return matches(a, path) }) {
				found = append(found, p.ImportPath+what+" imports "+path)
			}
		}
	}
	if forTests(p.ImportPath) {
		look(p.Imports, inTests, "")
	} else {
		look(p.Imports, layers[i].imports, "")
		for _, path := range p.Imports {
			if forTests(path) {
				found = append(found, p.ImportPath+" imports "+path+", which is for tests")
			}
		}
	}
	look(p.TestImports, inTests, "'s tests")
	look(p.XTestImports, inTests, "'s tests")
	return found
}

func TestLayers(t *testing.T) {
	for _, tags := range []string{"", "integration"} {
		packages := goList(t, "-tags="+tags, "./...")
		if len(packages) == 0 {
			t.Fatalf("go list -tags=%s ./... found no package", tags)
		}
		for _, p := range packages {
			for _, line := range forbidden(p) {
				t.Errorf("%s (tags %q)", line, tags)
			}
		}
	}
}

// The contract of a log store knows no store.
func TestContractStandsAlone(t *testing.T) {
	allowed := []string{module + "/core", module + "/core/logstore", module + "/core/rapidtest", "pgregory.net/rapid"}
	for _, p := range goList(t, "./core/logstore", "./core/storetest") {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if !standard(path) && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
}

// A test that rapid draws is the same in every run: its package's TestMain is
// rapidtest's, or it is core/storetest, which sets its own seed.
func TestRapidIsFixed(t *testing.T) {
	uses := 0
	for _, p := range goList(t, "./...") {
		all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		if slices.Contains(all, "pgregory.net/rapid") && p.ImportPath != module+"/core/rapidtest" {
			if uses++; !slices.Contains(all, module+"/core/rapidtest") {
				t.Errorf("%s imports rapid and not core/rapidtest: add a TestMain", p.ImportPath)
			}
		}
	}
	if uses < 5 {
		t.Errorf("%d packages use rapid: this test does not see them", uses)
	}
}

// A go.mod hides the packages below it from the rules, so there is none but those
// that are known, all of them tools. What the benchmark needs, no other package has.
func TestModulesOfTheirOwn(t *testing.T) {
	const top = "../.."
	var found []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != top && (name == "build" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if d.Name() == "go.mod" && filepath.Dir(path) != top {
			found = append(found, filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), top+"/")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if !slices.Equal(found, modules) {
		t.Errorf("modules in %q, want %q", found, modules)
	}
	for _, dir := range found {
		if !strings.HasPrefix(dir, "tools/") {
			t.Errorf("%s: only tools may be a module of their own", dir)
		}
	}
	for _, p := range goList(t, "-tags=integration", "./...") {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if matches("go.etcd.io/etcd/...", path) || matches("gonum.org/...", path) || matches(module+"/tools/bench/...", path) {
				t.Errorf("%s imports %s, which is for tools/bench", p.ImportPath, path)
			}
		}
	}
}

// The engine lives in a PostgreSQL process: with os/signal it would take
// SIGTERM away from the server, and nothing may fork there.
func TestEngineLeavesSignalsAlone(t *testing.T) {
	packages := goList(t, "-deps", "./pgext/engine")
	for _, p := range packages {
		if slices.Contains(p.Imports, "os/signal") {
			t.Errorf("%s, part of the engine, imports os/signal", p.ImportPath)
		}
		if strings.HasPrefix(p.ImportPath, module) && slices.Contains(p.Imports, "os/exec") {
			t.Errorf("%s, part of the engine, imports os/exec", p.ImportPath)
		}
	}
}

// Each rule must be seen to fail.
func TestLayersFail(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test, ok bool
	}{
		{from: "core", to: "fmt", ok: true},
		{from: "core", to: "go.etcd.io/raft/v3", ok: true},
		{from: "core/corepb", to: "go.etcd.io/raft/v3/raftpb", ok: true},
		{from: "core", to: module + "/core/corepb", ok: true},
		{from: "core", to: "github.com/cockroachdb/datadriven", test: true, ok: true},
		{from: "core", to: "github.com/cockroachdb/datadriven"},
		{from: "core", to: module + "/node"},
		{from: "core", to: "github.com/cockroachdb/pebble/v2"},
		{from: "core", to: module + "/sim", test: true},
		{from: "core", to: module + "/corex"},

		{from: "sim", to: module + "/core", ok: true},
		{from: "sim", to: "github.com/anishathalye/porcupine", ok: true},
		{from: "sim", to: module + "/node"},
		{from: "sim", to: module + "/node", test: true},
		{from: "sim", to: module + "/tools/pgraft"},

		{from: "node/store", to: "github.com/cockroachdb/pebble/v2/vfs", ok: true},
		{from: "node/store", to: module + "/core", ok: true},
		{from: "core/storetest", to: "pgregory.net/rapid", ok: true},
		{from: "core/storetest", to: module + "/core/logstore", ok: true},
		{from: "core/storetest", to: module + "/node/store"},
		{from: "core/storetest", to: module + "/sim"},
		{from: "node/store", to: module + "/core/storetest", test: true, ok: true},
		{from: "node/store", to: module + "/core/storetest"},
		{from: "sim", to: module + "/core/storetest", test: true, ok: true},
		{from: "node/store", to: "pgregory.net/rapid"},
		{from: "node", to: "go.etcd.io/raft/v3"},
		{from: "node", to: module + "/sim"},
		{from: "node", to: module + "/pgext/engine"},
		{from: "node", to: module + "/tools/archtest", test: true},

		{from: "pgext/engine", to: module + "/node/transport", ok: true},
		{from: "pgext/engine", to: module + "/core", ok: true},
		{from: "pgext/engine", to: "github.com/cockroachdb/pebble/v2"},
		{from: "pgext/engine", to: module + "/sim"},
		{from: "pgext/engine", to: module + "/tools/pgraft"},

		{from: "tools/pgraft", to: module + "/sim", ok: true},
		{from: "tools/pgraft", to: "github.com/spf13/cobra", ok: true},
		{from: "internal/x", to: "fmt"}, // a directory nobody decided about
	} {
		p := listed{ImportPath: module + "/" + c.from}
		if c.test {
			p.XTestImports = []string{c.to}
		} else {
			p.Imports = []string{c.to}
		}
		if found := forbidden(p); (len(found) == 0) != c.ok {
			t.Errorf("%s imports %s (test %v): found %q, want allowed = %v", c.from, c.to, c.test, found, c.ok)
		}
	}
}
