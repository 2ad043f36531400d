package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

const fenceRules = "../fence/fence_rules.c"

// The rules of the fence in C say what those of core/failover say, row by row. And each of
// their terms counts: without it rows differ.
func TestFenceRules(t *testing.T) {
	source, err := os.ReadFile(fenceRules)
	if err != nil {
		t.Fatal(err)
	}
	judge := judgeOf(t, string(source))
	for table, rows := range map[string]string{"f1": "512 rows\n", "f3": "11520 rows\n"} {
		if got := judge(table); got != rows {
			t.Errorf("%s: %.1000s, want only %s", table, got, rows)
		}
	}
	terms := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`look->\w+`).FindAllString(string(source), -1))))
	if len(terms) < 18 {
		t.Fatalf("the rules look at %q", terms)
	}
	for _, term := range terms {
		differs := 0
		for _, value := range []string{"0", "1"} {
			without := regexp.MustCompile(regexp.QuoteMeta(term)+`\b`).ReplaceAllString(string(source), value)
			judge := judgeOf(t, without)
			differs += strings.Count(judge("f1"), "differs") + strings.Count(judge("f3"), "differs")
		}
		if differs == 0 {
			t.Errorf("no row shows that the rules look at %s", term)
		}
	}
}

// judgeOf builds a program that judges tables by rules, and returns what it prints.
func judgeOf(t *testing.T, rules string) func(table string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "fence"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fence", "fence_rules.c"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "rules")
	run(t, exec.Command("gcc", "-Wall", "-I"+dir, "-I..", "-o", program, "testdata/fence_rules.c"))
	return func(table string) string {
		path := "../../testdata/failover/" + table + ".txt"
		if _, err := os.ReadFile(path); err != nil { // so that a change of it runs the test again
			t.Fatal(err)
		}
		out, err := exec.Command(program, table, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", table, err, out)
		}
		return string(out)
	}
}

// Each field of what core decides arrives, and a token only where a set counts it.
func TestFenceOf(t *testing.T) {
	b, c, d, e := core.RaftID(1, 2), core.RaftID(4, 3), core.RaftID(5, 4), core.RaftID(6, 5)
	token := func(member uint64) failover.Token {
		return failover.Token{Epoch: 7, Boot: 8, Member: member, Follow: member + 9}
	}
	s := failover.Shared{Failover: true, Joined: true, Quarantined: true, Founding: true, Epoch: 7, Primary: true, Open: true, Boot: 8,
		Reads: true, LeaseCounts: true, Switchover: 10, Set: failover.Set{W: 2, Members: []uint64{b, c}},
		Next: &failover.Set{W: 1, Members: []uint64{c, d}}, Tokens: []failover.Token{token(b), token(c), token(d), token(e)},
		Decision: 11, Limited: true, Limit: 12}
	f := fenceOf(s, b, "host=b")
	if f.epoch != 7 || f.boot != 8 || f.switchover != 10 || f.decision != 11 || f.limit != 12 || f.w != 2 || f.next_w != 1 || f.primary_node != 2 {
		t.Errorf("the numbers are %+v", f)
	}
	if n := f.failover + f.joined + f.quarantined + f.founding + f.primary + f.open + f.reads + f.lease_counts + f.limited + f.pending; n != 10 {
		t.Errorf("%d of 10 flags arrived", n)
	}
	if address := fmt.Sprint(f.primary_address[:7]); address != "[104 111 115 116 61 98 0]" {
		t.Errorf("the address is %s", address)
	}
	var in []uint64
	for i, x := range f.counted[:f.ncounted] {
		in = append(in, uint64(x.in))
		if x.token != tokenOf(s.Tokens[i]) {
			t.Errorf("token %d is %+v", i, x.token)
		}
	}
	if !slices.Equal(in, []uint64{1, 3, 2}) {
		t.Errorf("the tokens count in %v", in)
	}
	if f := fenceOf(failover.Shared{}, 0, ""); *f != (fence{}) {
		t.Errorf("nothing becomes %+v", f)
	}
	if f := fenceOf(failover.Shared{}, b, strings.Repeat("x", len(f.primary_address))); f.primary_address[0] != 0 || f.primary_node != 2 {
		t.Error("part of an address that is too long is shown")
	}
}

// The shim reads the names that the engine makes, and nothing that is none.
func TestFenceNames(t *testing.T) {
	largest := failover.Token{Epoch: math.MaxUint64, Boot: math.MaxUint64, Member: math.MaxUint64, Follow: math.MaxUint64}
	var names, want []string
	for _, x := range []failover.Token{{}, {Epoch: 1, Boot: 2, Member: core.RaftID(3, 4), Follow: 5}, {Epoch: 36, Boot: 35, Member: core.RaftID(71, 9), Follow: 1296}, largest} {
		names = append(names, host.TokenName(x))
		want = append(want, fmt.Sprintf("%d %d %d %d %s", x.Epoch, x.Boot, x.Member, x.Follow, slotName(x.Member)))
	}
	if slotName(core.RaftID(3, 4)) != "pgraft_4_3" {
		t.Errorf("a slot is %s", slotName(core.RaftID(3, 4)))
	}
	for _, none := range []string{"", "pgraft-", "pgraft-1-2-3", "pgraft-1-2-3-4-5", "pgraft-1-2-3-4-", "pgraft-1-2--4", "pgraft-1-2-3-A", "pgraft-1-2-3-04",
		"pgraft-1-2-3-4 ", "xpgraft-1-2-3-4", "pgraft-3w5e11264sgsg-2-3-4", "pgraft-nobody-1", "pgraft_1_2_3_4", "walreceiver"} {
		if _, ok := host.TokenOf(none); ok {
			t.Errorf("%q is a token", none)
		}
		names = append(names, none)
		want = append(want, "none")
	}
	program := filepath.Join(t.TempDir(), "names")
	run(t, exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-I..", "-DPGRAFT_ENGINE_IMPLEMENTATION", "-o", program, "testdata/fence_names.c", "../fence/fence_token.c"))
	out, err := exec.Command(program, names...).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); !slices.Equal(got, want) {
		t.Errorf("%q\nare read as %q\n      want %q", names, got, want)
	}
}

// A commit reads all of what was published last, also while more is, or the engine stands
// still in it; and the version tells whether it has changed since.
func TestFenceBlock(t *testing.T) {
	for _, file := range []string{"asking.h", "engine.h", "fencing.h", "status.h", "testdata/fencing.c", "../fence/fence_token.c", "../fence/fence_token.h", "../fence/fence_rules.h"} {
		if _, err := os.ReadFile(file); err != nil { // so that a change of it runs the tests again
			t.Fatal(err)
		}
	}
	if unsafe.Sizeof(fence{})%8 != 0 {
		t.Error("it is copied in words of 8 bytes")
	}
	program := filepath.Join(t.TempDir(), "fencing")
	run(t, exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-pthread", "-I.",
		"-DPGRAFT_ENGINE_IMPLEMENTATION", "-o", program, "testdata/fencing.c"))
	run(t, exec.Command(program))
}
