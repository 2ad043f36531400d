package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Backends read the status block without waiting for the engine, and get all of
// one status. It is C on both sides, which a Go test has to build by itself.
func TestStatusBlock(t *testing.T) {
	for _, file := range []string{"engine.h", "status.h", "testdata/status.c"} {
		if _, err := os.ReadFile(file); err != nil { // so that a change of it runs the test again
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "status")
	for _, command := range []*exec.Cmd{
		exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-pthread", "-I.",
			"-DPGRAFT_ENGINE_IMPLEMENTATION", "-o", program, "testdata/status.c"),
		exec.Command(program),
	} {
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
}
