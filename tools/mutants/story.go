package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stories are where those of core/failover lie, from the root of this module.
const stories = "testdata/failover/stories"

// tell runs a mutant's story with it: it is killed where that prints something else.
func (s source) tell(ctx context.Context, m mutant, tmp string) (k kill, err error) {
	if _, err := os.Stat(filepath.Join(s.root, stories, m.story+".txt")); err != nil {
		return k, fmt.Errorf("mutant %s: %w", m.name, err)
	}
	dir := filepath.Join(tmp, m.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return k, err
	}
	defer os.RemoveAll(dir)
	flags, err := s.write(m, dir)
	if err != nil {
		return k, err
	}
	args := append([]string{"test", "-p", "1", "-count=1"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-run", "^TestScripts$/^"+m.story+"$", "./core/failover")...)
	cmd.Dir = s.root
	began := time.Now()
	b, err := cmd.CombinedOutput()
	k = kill{Elapsed: time.Since(began), Check: "story " + m.story}
	switch k.Killed = strings.Contains(string(b), "--- FAIL: TestScripts/"+m.story); {
	case k.Killed:
		_, found, _ := strings.Cut(string(b), "found:\n")
		k.Detail = strings.Join(strings.Fields(found), " ")
	case err != nil:
		return k, fmt.Errorf("mutant %s: its story does not run: %w\n%s", m.name, err, b)
	}
	return k, nil
}
