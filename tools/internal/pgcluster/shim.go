package pgcluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Edit replaces text in a file of pgext, where it stands once. Each is of another file.
type Edit struct{ File, Is, Becomes string }

// BuildShim compiles the extension's C library from its sources in pgext, with edits, into a
// directory that the servers' account can read: it returns the library's path, to be named in
// shared_preload_libraries. The caller removes the directory that it is in. objects is a
// directory where what was compiled of unedited files stays for the next call.
func (in Install) BuildShim(pgext, objects string, edits ...Edit) (library string, err error) {
	dir, err := os.MkdirTemp("", "pgraft-shim-")
	if err != nil {
		return "", fmt.Errorf("pgcluster: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("pgcluster: %w", err)
	}
	edited := map[string]string{}
	for _, e := range edits {
		text, err := os.ReadFile(filepath.Join(pgext, e.File))
		if err != nil {
			return "", fmt.Errorf("pgcluster: %w", err)
		}
		if n := strings.Count(string(text), e.Is); n != 1 {
			return "", fmt.Errorf("pgcluster: %s has %q %d times", e.File, e.Is, n)
		}
		edited[e.File] = strings.Replace(string(text), e.Is, e.Becomes, 1)
	}
	var parts []string
	for _, pattern := range []string{"*.c", "*/*.c"} {
		files, err := filepath.Glob(filepath.Join(pgext, pattern))
		if err != nil {
			return "", fmt.Errorf("pgcluster: %w", err)
		}
		for _, f := range files {
			object, err := in.object(pgext, objects, dir, f, edited)
			if err != nil {
				return "", err
			}
			parts = append(parts, object)
		}
	}
	library = filepath.Join(dir, "pgraft.so")
	return library, in.Compile(pgext, library, parts...)
}

// object compiles one file, if that was not done before.
func (in Install) object(pgext, objects, dir, file string, edited map[string]string) (object string, err error) {
	name, err := filepath.Rel(pgext, file)
	if err != nil {
		return "", fmt.Errorf("pgcluster: %w", err)
	}
	object = filepath.Join(objects, strings.ReplaceAll(name, "/", "-")+".o")
	if text, ok := edited[name]; ok {
		object, file = filepath.Join(dir, "edited.o"), filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("pgcluster: %w", err)
		}
	} else if _, err := os.Stat(object); err == nil {
		return object, nil
	}
	return object, in.Compile(pgext, object, "-c", "-O0", `-DPGRAFT_BUILD_ID="none"`, file)
}

// Compile makes a library that PostgreSQL loads, of sources that include headers of pgext.
func (in Install) Compile(pgext, library string, args ...string) error {
	headers, err := exec.Command(in.PGConfig, "--includedir-server").Output()
	if err != nil {
		return fmt.Errorf("pgcluster: pg_config: %w", withStderr(err))
	}
	args = append([]string{"-O1", "-fPIC", "-shared", "-Wl,-Bsymbolic", "-D_GNU_SOURCE", "-I" + pgext,
		"-isystem", strings.TrimSpace(string(headers)), "-o", library}, args...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("pgcluster: cc: %w\n%s", err, out)
	}
	return nil
}
