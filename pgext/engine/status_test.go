package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// statusWrites is WRITES of testdata/status.c.
const statusWrites = 200000

// Backends read the status block without waiting for the engine, and get all of
// one status. Backends are C, which a Go test has to build by itself.
func TestStatusBlock(t *testing.T) {
	run(t, exec.Command(statusProgram(t)))
}

// What Go writes is read as whole as what C writes.
func TestWriteStatus(t *testing.T) {
	program, name := statusProgram(t), filepath.Join(t.TempDir(), "block")
	if err := os.WriteFile(name, make([]byte, unsafe.Sizeof(statusBlock{})), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	memory, err := syscall.Mmap(int(file.Fd()), 0, int(unsafe.Sizeof(statusBlock{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Munmap(memory); err != nil {
			t.Error(err)
		}
	}()
	block := (*statusBlock)(unsafe.Pointer(unsafe.SliceData(memory)))

	reader := exec.Command(program, name)
	out, err := reader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("it said %q, %v", lines.Text(), lines.Err())
	}
	for n := range uint64(statusWrites) {
		if n%1000 == 0 {
			block.copies[1] = block.copies[0] // as after a writer that was killed
			atomic.AddUint64((*uint64)(&block.seq), 1)
		}
		writeStatus(block, filled(n+1))
	}
	for lines.Scan() {
		t.Error(lines.Text())
	}
	if err := reader.Wait(); err != nil {
		t.Error(err)
	}
	if block.seq&1 != 0 || block.copies[0] != *filled(statusWrites) {
		t.Errorf("seq %d, %v", block.seq, block.copies[0])
	}
}

func filled(n uint64) *status {
	s := &status{}
	for i := range statusWords(s) {
		statusWords(s)[i] = n
	}
	return s
}

func statusProgram(t *testing.T) string {
	for _, file := range []string{"engine.h", "status.h", "testdata/status.c"} {
		if _, err := os.ReadFile(file); err != nil { // so that a change of it runs the test again
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "status")
	run(t, exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-pthread", "-I.",
		"-DPGRAFT_ENGINE_IMPLEMENTATION", "-o", program, "testdata/status.c"))
	return program
}

func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}
