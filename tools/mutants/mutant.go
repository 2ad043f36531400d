package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is a small wrong version of the product.
type mutant struct {
	name  string
	class string // of classes
	doc   string // what is wrong
	// live: nothing is lost and no two nodes lead, but something never comes.
	live bool
	// control: not wrong, so it has to survive. It makes a bound small that no
	// simulated minute reaches; a mutant that needs it says so in its edits.
	control bool
	// nodes form the cluster in its runs; 0: as many as in the standard workload.
	nodes int
	// failover: its runs have PostgreSQL servers that fail over.
	failover bool
	// story: the simulator does not get there, and this story of core/failover shows it: it
	// has to print something else with the mutant.
	story string
	edits []edit
}

// edit replaces a piece of a file that must occur in it exactly once, so that a
// mutant whose place has changed does not build.
type edit struct {
	file     string // from the root of this module; of the raft library with library in front
	old, new string
}

// library stands before the name of a file of go.etcd.io/raft/v3.
const library = "raft:"

// apply returns what the file's text becomes.
func (e edit) apply(text string) (string, error) {
	if n := strings.Count(text, e.old); n != 1 {
		return "", fmt.Errorf("%s: the text to replace is there %d times, not once:\n%s", e.file, n, e.old)
	}
	return strings.Replace(text, e.old, e.new, 1), nil
}

// source is where the code to change lies.
type source struct {
	root string // of this module
	raft string // of the raft library, as the module cache has it
}

func (s source) path(file string) string {
	if name, ok := strings.CutPrefix(file, library); ok {
		return filepath.Join(s.raft, name)
	}
	return filepath.Join(s.root, file)
}

// changed returns the new text of each file that m changes.
func (s source) changed(m mutant) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			b, err := os.ReadFile(s.path(e.file))
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.name, err)
			}
			text = string(b)
		}
		var err error
		if files[e.file], err = e.apply(text); err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.name, err)
		}
	}
	return files, nil
}

// write puts what go build needs for m into dir and returns its flags: an
// overlay for files of ours, and for the library's a copy of it behind a replace.
func (s source) write(m mutant, dir string) (flags []string, err error) {
	files, err := s.changed(m)
	if err != nil {
		return nil, err
	}
	overlay := map[string]string{}
	patched := map[string]string{}
	for file, text := range files {
		if name, ok := strings.CutPrefix(file, library); ok {
			patched[name] = text
			continue
		}
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.name, err)
		}
		overlay[s.path(file)] = to
	}
	if len(patched) > 0 {
		modfile, err := s.replace(patched, dir)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.name, err)
		}
		flags = append(flags, "-modfile="+modfile)
	}
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, fmt.Errorf("mutant %s: %w", m.name, err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		return nil, fmt.Errorf("mutant %s: %w", m.name, err)
	}
	return append(flags, "-overlay="+list), nil
}

// replace copies the library with patched files to dir, and go.mod with a
// replace that points there.
func (s source) replace(patched map[string]string, dir string) (modfile string, err error) {
	to := filepath.Join(dir, "raft")
	if err := os.CopyFS(to, os.DirFS(s.raft)); err != nil {
		return "", fmt.Errorf("copy the raft library: %w", err)
	}
	for name, text := range patched {
		// The module cache is read-only, and so is its copy.
		if err := os.Remove(filepath.Join(to, name)); err != nil {
			return "", fmt.Errorf("patch the raft library: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("patch the raft library: %w", err)
		}
	}
	mod, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(s.root, "go.sum"))
	if err != nil {
		return "", err
	}
	modfile = filepath.Join(dir, "go.mod")
	mod = append(mod, []byte("\nreplace go.etcd.io/raft/v3 => "+to+"\n")...)
	if err := os.WriteFile(modfile, mod, 0o600); err != nil {
		return "", err
	}
	return modfile, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600)
}
