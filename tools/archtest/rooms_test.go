package archtest

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rooms are the folders of the C shim in pgext, each with the rooms that it may
// use. A room stands below all that come after it, so no arrows go in a circle.
// engine has the border to the Go engine, which is a header alone.
var rooms = []struct {
	name string
	uses []string
}{
	{"engine", nil},
	{"base", nil},
	{"server", []string{"base"}},
	{"settings", []string{"engine", "base"}},
	{"shmem", []string{"engine", "base"}},
	{"fence", []string{"engine", "base", "server", "settings", "shmem"}},
	{"boot", []string{"engine", "base", "server", "settings", "fence"}},
	{"host", []string{"engine", "base", "server", "fence", "boot"}},
	{"client", []string{"engine", "base", "settings", "shmem"}},
	{"engine_worker", []string{"engine", "base", "settings", "shmem", "fence", "host"}},
	{"apply_worker", []string{"engine", "base", "settings", "shmem", "client"}},
	{"functions", []string{"engine", "base", "settings", "shmem", "client", "apply_worker"}},
	{".", []string{"engine", "base", "server", "settings", "shmem", "fence", "boot", "host", "engine_worker", "apply_worker", "functions"}}, // pgraft.c
}

var (
	commentOrString = regexp.MustCompile(`(?s)/\*.*?\*/|"(?:\\.|[^"\\])*"`)
	include         = regexp.MustCompile(`(?m)^#include "(\w+/\w+\.h)"`)
	// As pg_bsd_indent leaves them: a declaration ends its line, the name in a
	// definition of a function begins one.
	declaration = regexp.MustCompile(`(?m)^extern [^;(]*?\b(\w+)(?:\([^;]*\))?;`)
	function    = regexp.MustCompile(`(?m)^(\w+)\(`)
	variable    = regexp.MustCompile(`(?m)^(?:\w+[ \t*]+)+\**(\w+)(?: =[^;]*)?;`)
	word        = regexp.MustCompile(`\b[A-Za-z_]\w*\b`)
	macro       = regexp.MustCompile(`(?m)^#define (PGRAFT_\w+)`)
	fileName    = regexp.MustCompile(`\b\w+\.c\b`)
)

// shim has the C files and headers of pgext by their paths in there.
type shim map[string]string

func readShim(t *testing.T) shim {
	t.Helper()
	s := shim{}
	for _, pattern := range []string{"*.[ch]", "*/*.[ch]"} {
		files, err := filepath.Glob(filepath.Join("../../pgext", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel("../../pgext", file)
			if err != nil {
				t.Fatal(err)
			}
			s[filepath.ToSlash(name)] = string(b)
		}
	}
	return s
}

// code is a file without what is not code, but with the names of its includes.
func code(text string) string {
	return commentOrString.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasPrefix(s, `"`) {
			return `""`
		}
		return " "
	})
}

// definers says which file defines each name that a header declares.
func (s shim) definers() (in map[string]string, faults []string) {
	in = map[string]string{}
	for _, file := range slices.Sorted(maps.Keys(s)) {
		if path.Ext(file) != ".c" {
			continue
		}
		for _, pattern := range []*regexp.Regexp{function, variable} {
			for _, m := range pattern.FindAllStringSubmatch(code(s[file]), -1) {
				if !strings.HasPrefix(m[0], "static ") && !strings.HasPrefix(m[0], "extern ") && strings.HasPrefix(m[1], "pgraft_") {
					in[m[1]] = file
				}
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(s)) {
		for _, m := range declaration.FindAllStringSubmatch(code(s[file]), -1) {
			switch name := m[1]; {
			case path.Ext(file) == ".c" && strings.HasPrefix(name, "pgraft_"):
				faults = append(faults, fmt.Sprintf("%s declares %s itself; it belongs into the header of its room", file, name))
			case path.Ext(file) == ".h" && in[name] == "":
				faults = append(faults, fmt.Sprintf("%s declares %s, which no file defines", file, name))
			case path.Ext(file) == ".h" && path.Dir(in[name]) != path.Dir(file):
				faults = append(faults, fmt.Sprintf("%s declares %s, which %s defines: that is another room", file, name, in[name]))
			}
		}
	}
	return in, faults
}

// calls says which files each file needs at run time.
func (s shim) calls(in map[string]string) map[string][]string {
	calls := map[string][]string{}
	for file, text := range s {
		needs := map[string]bool{}
		for _, w := range word.FindAllString(code(text), -1) {
			if to := in[w]; to != "" && to != file && path.Ext(file) == ".c" {
				needs[to] = true
			}
		}
		calls[file] = slices.Sorted(maps.Keys(needs))
	}
	return calls
}

// circle is a way from a file back to itself, nil if there is none.
func circle(calls map[string][]string) []string {
	done := map[string]bool{}
	var way []string
	var visit func(file string) []string
	visit = func(file string) []string {
		if i := slices.Index(way, file); i >= 0 {
			return append(slices.Clone(way[i:]), file)
		}
		if done[file] {
			return nil
		}
		way = append(way, file)
		defer func() { way = way[:len(way)-1] }()
		for _, to := range calls[file] {
			if found := visit(to); found != nil {
				return found
			}
		}
		done[file] = true
		return nil
	}
	for _, file := range slices.Sorted(maps.Keys(calls)) {
		if found := visit(file); found != nil {
			return found
		}
	}
	return nil
}

// faults returns what stands against the rules, one line each.
func (s shim) faults() []string {
	in, faults := s.definers()
	calls := s.calls(in)
	uses := map[string][]string{}
	for _, r := range rooms {
		uses[r.name] = append([]string{r.name}, r.uses...)
	}
	used := map[string]bool{} // "room uses room"
	for _, file := range slices.Sorted(maps.Keys(s)) {
		room := path.Dir(file)
		header := room + "/" + room + ".h"
		if uses[room] == nil {
			faults = append(faults, fmt.Sprintf("%s: a room that tools/archtest does not know", file))
			continue
		}
		if path.Ext(file) == ".c" && room != "." && !slices.Contains(fileName.FindAllString(s[header], -1), path.Base(file)) {
			faults = append(faults, fmt.Sprintf("%s does not name %s", header, path.Base(file)))
		}
		for _, m := range include.FindAllStringSubmatch(s[file], -1) {
			to := path.Dir(m[1])
			used[room+" "+to] = true
			switch {
			case uses[to] == nil:
				used[room+" "+to] = false // one of PostgreSQL's folders
			case !slices.Contains(uses[room], to):
				faults = append(faults, fmt.Sprintf("%s includes %s: %s must not use %s", file, m[1], room, to))
			case to != room && m[1] != to+"/"+to+".h":
				faults = append(faults, fmt.Sprintf("%s includes %s; the face of %s is %s.h", file, m[1], to, to))
			}
		}
		for _, to := range calls[file] {
			used[room+" "+path.Dir(to)] = true
			if !slices.Contains(uses[room], path.Dir(to)) {
				faults = append(faults, fmt.Sprintf("%s calls %s: %s must not use %s", file, to, room, path.Dir(to)))
			}
		}
	}
	limits := map[string]string{}
	for _, file := range slices.Sorted(maps.Keys(s)) {
		for _, m := range macro.FindAllStringSubmatch(s[file], -1) {
			if other, twice := limits[m[1]]; twice && other != file {
				faults = append(faults, fmt.Sprintf("%s defines %s, which %s does too", file, m[1], other))
			}
			limits[m[1]] = file
		}
	}
	for _, r := range rooms {
		for _, to := range r.uses {
			if !used[r.name+" "+to] {
				faults = append(faults, fmt.Sprintf("%s does not use %s: take that out of tools/archtest", r.name, to))
			}
		}
	}
	if way := circle(calls); way != nil {
		faults = append(faults, "files call each other in a circle: "+strings.Join(way, " -> "))
	}
	return faults
}

func TestRoomsAreInOrder(t *testing.T) {
	var below []string
	for _, r := range rooms {
		for _, to := range r.uses {
			if !slices.Contains(below, to) {
				t.Errorf("room %s uses %s, which is not below it", r.name, to)
			}
		}
		below = append(below, r.name)
	}
}

func TestRooms(t *testing.T) {
	s := readShim(t)
	in, _ := s.definers()
	// Were the patterns blind, nothing would be against the rules either.
	for name, file := range map[string]string{"pgraft_call": "client/client.c", "pgraft_shared": "shmem/shmem.c",
		"pgraft_node_id": "settings/settings.c", "pgraft_engine": "engine_worker/engine_library.c",
		"pgraft_in_apply_function": "base/process.c"} {
		if in[name] != file {
			t.Errorf("%s is defined in %q, want %s", name, in[name], file)
		}
	}
	calls := s.calls(in)
	for from, to := range map[string]string{"pgraft.c": "settings/settings.c", "client/client.c": "base/process.c",
		"functions/reads.c": "apply_worker/apply_state.c", "engine_worker/engine_worker.c": "engine_worker/engine_library.c"} {
		if !slices.Contains(calls[from], to) {
			t.Errorf("%s does not call %s, but %v", from, to, calls[from])
		}
	}
	for _, fault := range s.faults() {
		t.Error(fault)
	}
}

// The map of pgext/README.md has every room, the lowest first.
func TestRoomsAreOnTheMap(t *testing.T) {
	readme, err := os.ReadFile("../../pgext/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)/` \\|").FindAllStringSubmatch(string(readme), -1) {
		shown = append(shown, m[1])
	}
	for _, r := range rooms[:len(rooms)-1] {
		want = append(want, r.name)
	}
	if !slices.Equal(shown, want) {
		t.Errorf("pgext/README.md shows the rooms %q, want %q", shown, want)
	}
}

// Each rule must be seen to fail.
func TestRoomsFail(t *testing.T) {
	for _, c := range []struct {
		file, text string
		want       string
	}{
		{"shmem/shmem.c", "void\nf(void)\n{\n\tpgraft_apply_wake();\n}\n", "shmem/shmem.c calls apply_worker/apply_state.c"},
		{"shmem/shmem.c", "#include \"client/client.h\"\n", "shmem/shmem.c includes client/client.h"},
		{"base/base.h", "#include \"settings/settings.h\"\n", "base/base.h includes settings/settings.h"},
		{"client/client.c", "extern void pgraft_apply_wake(void);\n", "client/client.c declares pgraft_apply_wake itself"},
		{"base/base.h", "extern void pgraft_apply_wake(void);\n", "base/base.h declares pgraft_apply_wake, which apply_worker/apply_state.c defines"},
		{"client/client.h", "extern int\tpgraft_nobody;\n", "client/client.h declares pgraft_nobody, which no file defines"},
		{"client/client.c", "#include \"base/compat.h\"\n", "client/client.c includes base/compat.h"},
		{"client/client_slot.c", "void\nf(void)\n{\n\tpgraft_call(NULL, NULL);\n}\n", "in a circle: client/client.c -> client/client_slot.c -> client/client.c"},
		{"shmem/shmem.c", "#define PGRAFT_MAX_ENTRY_BYTES 1000\n", "shmem/shmem.c defines PGRAFT_MAX_ENTRY_BYTES, which engine/engine.h does too"},
		{"attic/old.c", "", "attic/old.c: a room that tools/archtest does not know"},
		{"client/new.c", "", "client/client.h does not name new.c"},
	} {
		s := readShim(t)
		s[c.file] += c.text
		if faults := s.faults(); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%q planted in %s: found %q, want %q", c.text, c.file, faults, c.want)
		}
	}
}
