package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// What the shim does as a server boots, in C, is compared with core/failover and its package
// host, which say what it is to do.

const bootRules = "../boot/boot_rules.c"

// bootProgram builds a program that asks rules, and returns what it answers about a file.
func bootProgram(t *testing.T, rules string) func(what, path string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "boot"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "boot", "boot_rules.c"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../boot/boot_rules.h", "../boot/notes.h", "../boot/notes.c", "testdata/boot_rules.c", "../../testdata/failover/boot.txt"} {
		if _, err := os.ReadFile(file); err != nil { // so that a change of it runs the tests again
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "rules")
	run(t, exec.Command("gcc", "-O0", "-Wall", "-Werror", "-I"+dir, "-I..", "-o", program, "testdata/boot_rules.c"))
	return func(what, path string) string {
		out, err := exec.Command(program, what, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		return string(out)
	}
}

func readRules(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(bootRules)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The rules of a boot in C say what those of core/failover say, row by row, and do what package
// host's do, step by step. And each of their terms counts: without it some differ.
func TestBootRules(t *testing.T) {
	const table, rows = "../../testdata/failover/boot.txt", "16384 rows\n"
	source := readRules(t)
	asked, want := bootSteps()
	steps := write(t, asked)
	ask := bootProgram(t, source)
	if got := ask("verdict", table); got != rows {
		t.Errorf("%.1000s, want only %s", got, rows)
	}
	got := strings.Split(strings.TrimSuffix(ask("steps", steps), "\n"), "\n")
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Fatalf("%d steps of %d; asked\n%s, the answer is\n%s, want\n%s", len(got), len(want), asked[i], got[min(i, len(got)-1)], w)
		}
	}
	terms := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`\b(?:found|at)->\w+`).FindAllString(source, -1))))
	if len(terms) < 24 {
		t.Fatalf("the rules look at %q", terms)
	}
	for _, term := range terms {
		if term == "at->histories" {
			continue // no number
		}
		differs := func(value string) bool {
			ask := bootProgram(t, regexp.MustCompile(regexp.QuoteMeta(term)+`\b`).ReplaceAllString(source, value))
			return ask("verdict", table) != rows || ask("steps", steps) != strings.Join(want, "\n")+"\n"
		}
		if !differs("0") && !differs("1") {
			t.Errorf("no boot shows that the rules look at %s", term)
		}
	}
}

func write(t *testing.T, lines []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "asked")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bootSteps are boots that differ in up to three ways from one of a sound standby, and what
// package host does in each.
func bootSteps() (asked, want []string) {
	ways := []func(*host.Notes, *host.AtBoot){
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Joined = false },
		func(n *host.Notes, _ *host.AtBoot) { n.Store.Joined = false },
		func(_ *host.Notes, b *host.AtBoot) { b.Marker = true },
		func(_ *host.Notes, b *host.AtBoot) { b.Lowered = true },
		func(_ *host.Notes, b *host.AtBoot) { b.Label = true },
		func(_ *host.Notes, b *host.AtBoot) { b.Hole = true },
		func(_ *host.Notes, b *host.AtBoot) { b.StoreLost = true },
		func(_ *host.Notes, b *host.AtBoot) { b.WasPrimary = true },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Nonce = 8 },
		func(n *host.Notes, _ *host.AtBoot) { n.Store.NextNonce = 8 },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Doubt = failover.DoubtShort },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Unguarded = true },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Wrote = []uint32{1, 2} },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Cut = 0x5000 },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Cut = 0x4fff },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Anew = 5 },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Sealed = 5 },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.JoinedOn = 2 },
		func(n *host.Notes, _ *host.AtBoot) { n.Data.Notes = nil },
		func(n *host.Notes, _ *host.AtBoot) {
			n.Data.Notes = append([]failover.Note{{Timeline: 3, Epoch: 5}}, n.Data.Notes...)
		},
		func(n *host.Notes, _ *host.AtBoot) { n.Store.Floor.Epoch = 5 },
		func(n *host.Notes, _ *host.AtBoot) { n.Store.Floor.Epoch = 3 },
		func(n *host.Notes, _ *host.AtBoot) { n.Store.Floor.LSN = 0x5001 },
		func(_ *host.Notes, b *host.AtBoot) { b.MinRecovery = 0x5001 },
		func(_ *host.Notes, b *host.AtBoot) { b.Histories = []uint32{4, 2, 3} },
		func(_ *host.Notes, b *host.AtBoot) { b.Last, b.End.Timeline = 3, 3 },
		func(_ *host.Notes, b *host.AtBoot) { b.End.Timeline = 1 },
		func(_ *host.Notes, b *host.AtBoot) { b.End = host.End{} },
	}
	var vary func(from int, chosen []int)
	vary = func(from int, chosen []int) {
		n := host.Notes{Data: host.Data{Joined: true, JoinedOn: 1, Sealed: 4, Nonce: 7, Notes: []failover.Note{{Timeline: 2, Epoch: 4}}},
			Store: host.Store{Joined: true, Boot: 9, Nonce: 7, Floor: failover.Position{Epoch: 4, LSN: 0x4000}}}
		b := host.AtBoot{Last: 2, End: host.End{Timeline: 2, LSN: 0x5000}, MinRecovery: 0x4800, Histories: []uint32{2}}
		for _, i := range chosen {
			ways[i](&n, &b)
		}
		asked = append(asked, fmt.Sprintf("%x %x %d %d %d %d %d %d %d %d %d %d %s", n.Data.Marshal(), n.Store.Marshal(), flag(b.Marker), flag(b.Lowered), flag(b.Label),
			flag(b.Hole), flag(b.StoreLost), flag(b.WasPrimary), b.Last, b.End.Timeline, b.End.LSN, b.MinRecovery, strings.Trim(fmt.Sprint(b.Histories), "[]")))
		want = append(want, bootText(host.Boot(n, &b)))
		if len(chosen) < 3 {
			for i := from; i < len(ways); i++ {
				vary(i+1, append(slices.Clone(chosen), i))
			}
		}
	}
	vary(0, nil)
	return asked, want
}

// bootText is what the program prints of it.
func bootText(b host.Booting) string {
	var s strings.Builder
	for _, a := range b.Acts {
		switch a := a.(type) {
		case host.NoteData:
			fmt.Fprintf(&s, "note %x ", a.Data.Marshal())
		case host.RemoveHistory:
			fmt.Fprintf(&s, "remove %d ", a.Timeline)
		case host.CutWAL:
			fmt.Fprintf(&s, "cut %d ", a.At)
		case host.ClearSource: // the last of three
			s.WriteString("standby ")
		}
	}
	if b.Again {
		s.WriteString("again")
	} else {
		fmt.Fprintf(&s, "role %d joined %d doubt %d damage %d", b.Verdict.Role, flag(b.Verdict.Joined), b.Verdict.Doubt, b.Verdict.Damage)
	}
	return s.String()
}

// C reads what Go writes, and writes it to the byte; and reads nothing else: the two refuse the
// same.
func TestBootNotes(t *testing.T) {
	header, err := os.ReadFile("../boot/notes.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"PGRAFT_DATA_FILE": host.DataFile, "PGRAFT_STORE_FILE": host.StoreFile} {
		if !strings.Contains(string(header), fmt.Sprintf("#define %s\t%q", name, value)) {
			t.Errorf("%s is not %q", name, value)
		}
	}
	data := []host.Data{{}, {Joined: true, JoinedOn: 3, Sealed: ^uint64(0), Notes: []failover.Note{{Timeline: 4, Epoch: 5}, {Timeline: ^uint32(0), Epoch: ^uint64(0)}}, Cut: 0x2a_deadbeef,
		Anew: 5, Nonce: 255, Doubt: failover.DoubtStore, Unguarded: true, Wrote: []uint32{3, ^uint32(0)}}, {Cut: ^uint64(0), Nonce: ^uint64(0), Wrote: []uint32{1}}}
	stores := []host.Store{{}, {Joined: true, Boot: ^uint64(0), Nonce: ^uint64(0), NextNonce: 1, Floor: failover.Position{Epoch: ^uint64(0), LSN: ^uint64(0)}}}
	ask := bootProgram(t, readRules(t))
	var texts [][]byte
	for _, d := range data {
		texts = append(texts, d.Marshal())
	}
	compareNotes(t, ask, "data", texts, func(b []byte) ([]byte, error) { d, err := host.UnmarshalData(b); return d.Marshal(), err })
	texts = nil
	for _, s := range stores {
		texts = append(texts, s.Marshal())
	}
	compareNotes(t, ask, "store", texts, func(b []byte) ([]byte, error) { s, err := host.UnmarshalStore(b); return s.Marshal(), err })
}

// compareNotes has both read notes, and what differs from them by a byte, a number, an end.
func compareNotes(t *testing.T, ask func(what, path string) string, kind string, texts [][]byte, read func([]byte) ([]byte, error)) {
	t.Helper()
	all := slices.Clone(texts)
	for _, b := range texts {
		for i := range b {
			all = append(all, b[:i])
			for _, flip := range []byte{1, 2, 0x10, 0x20, 0x80} {
				c := slices.Clone(b)
				c[i] ^= flip
				all = append(all, c)
			}
		}
		all = append(all, append(slices.Clone(b), '\n'), append(slices.Clone(b), 0))
		for _, change := range [][2]string{{" 1\n", " 2\n"}, {" 1\n", " 01\n"}, {" 1\n", "  1\n"}, {" 1\n", " +1\n"}, {"doubt 7", "doubt 8"}, {"joined ", "joined -"}, {"wrote ", "rote "},
			{"18446744073709551615", "18446744073709551616"}, {"4294967295", "4294967296"}, {"FFFFFFFF/", "0FFFFFFFF/"}, {"0/0", "00/0"}, {"nonce ", "nonce 0x"}} {
			all = append(all, summedAnew(b, change[0], change[1]))
		}
	}
	var asked []string
	for _, b := range all {
		asked = append(asked, fmt.Sprintf("%x", b))
	}
	answers := strings.Split(ask(kind, write(t, asked)), "\n")
	refused, other := 0, 0
	for i, b := range all {
		want := "damaged"
		if text, err := read(b); err == nil {
			want = fmt.Sprintf("%x", text)
		} else if refused++; strings.HasPrefix(string(b), "pgraft "+kind+" ") && !strings.HasPrefix(string(b), "pgraft "+kind+" 1\n") {
			want, other = "other version", other+1
		}
		if answers[i] != want {
			t.Errorf("%q is read as %q, want %q", b, answers[i], want)
		}
	}
	if refused < len(all)-len(texts)-5*len(texts) || other == 0 {
		t.Errorf("of %d notes %d are refused, %d of them as of another version", len(all), refused, other)
	}
}

// summedAnew is a note with something in the place of something else, and the right sum.
func summedAnew(b []byte, old, new string) []byte {
	body := string(b[:strings.LastIndex(string(b), "crc32c")])
	body = strings.Replace(body, old, new, 1)
	return fmt.Appendf(nil, "%scrc32c %08x\n", body, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
}
