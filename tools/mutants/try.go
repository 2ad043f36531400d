package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kill is what a trial prints for a base; see trial/main.go.
type kill struct {
	Base      uint64        `json:"base"`
	Killed    bool          `json:"killed"`
	Seed      uint64        `json:"seed"`
	Seeds     uint64        `json:"seeds"`
	Elapsed   time.Duration `json:"elapsed_ns"`
	Check     string        `json:"check,omitempty"`
	Detail    string        `json:"detail,omitempty"`
	Kinds     []string      `json:"kinds,omitempty"`
	Shrunk    []string      `json:"shrunk,omitempty"`
	Shrink    time.Duration `json:"shrink_ns,omitempty"`
	Decisions int           `json:"decisions,omitempty"`
}

// result is what came of a mutant.
type result struct {
	mutant mutant
	kills  []kill
	err    error
	// Of the ablation: what the mutant gets away without.
	needsFault, needsCheck []string
}

// findSource asks go where this module and the raft library are.
func findSource(ctx context.Context) (s source, err error) {
	for dir, to := range map[string]*string{"github.com/pgraft/pgraft": &s.root, "go.etcd.io/raft/v3": &s.raft} {
		b, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", dir).Output()
		if err != nil {
			return s, fmt.Errorf("go list -m %s: %w", dir, err)
		}
		*to = strings.TrimSpace(string(b))
	}
	return s, nil
}

// try builds a mutant and runs its seeds.
func (s source) try(ctx context.Context, m mutant, tmp string, o options) result {
	r := result{mutant: m}
	if m.story != "" {
		k, err := s.tell(ctx, m, tmp)
		if r.err = err; err == nil {
			r.kills = []kill{k}
		}
		return r
	}
	bin := filepath.Join(tmp, m.name+".trial")
	err := s.build(ctx, m, tmp, "./tools/mutants/trial", bin)
	if err != nil {
		r.err = err
		return r
	}
	defer os.Remove(bin)
	args := []string{"-seed", fmt.Sprint(o.seed), "-seeds", fmt.Sprint(o.seeds), "-within", fmt.Sprint(o.within)}
	if o.shrink > 0 {
		args = append(args, "-shrink", fmt.Sprint(o.shrink))
	}
	for b := range o.bases {
		// A process for each base: a seed that hangs ends it.
		args[1] = fmt.Sprint(o.seed + b*1_000_000)
		if b > 0 && o.shrink > 0 {
			args = args[:6]
		}
		k, err := m.trial(ctx, bin, args...)
		if err != nil {
			r.err = fmt.Errorf("mutant %s: %w", m.name, err)
			return r
		}
		r.kills = append(r.kills, k)
	}
	if o.ablate && !m.control {
		r.err = r.ablate(ctx, bin, o)
	}
	return r
}

// trial runs the mutant, built as bin, once.
func (m mutant) trial(ctx context.Context, bin string, args ...string) (k kill, err error) {
	args = append(args, "-nodes", fmt.Sprint(m.nodes))
	if m.failover {
		args = append(args, "-failover")
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=1600")
	if err := cmd.Run(); err != nil {
		text := errs.String()
		return k, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, text[:min(len(text), 2000)])
	}
	if err := json.Unmarshal(out.Bytes(), &k); err != nil {
		return k, fmt.Errorf("%s printed %q: %w", strings.Join(args, " "), out.String(), err)
	}
	return k, nil
}

// commands builds pgraft with each mutant, as to/NAME.
func (s source) commands(ctx context.Context, list []mutant, tmp, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, m := range list {
		bin, err := filepath.Abs(filepath.Join(to, m.name))
		if err != nil {
			return err
		}
		if err := s.build(ctx, m, tmp, "./tools/pgraft", bin); err != nil {
			return err
		}
		fmt.Println(filepath.Join(to, m.name))
	}
	return nil
}

// build builds a package with a mutant, as the file bin.
func (s source) build(ctx context.Context, m mutant, tmp, pkg, bin string) error {
	dir := filepath.Join(tmp, m.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	flags, err := s.write(m, dir)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-p", "1", "-ldflags=-s -w", "-o", bin}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = s.root
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mutant %s does not build: %w\n%s", m.name, err, b)
	}
	return nil
}
