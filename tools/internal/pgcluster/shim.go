package pgcluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Edit replaces text in a file of pgext, where it stands once.
type Edit struct{ File, Is, Becomes string }

// BuildShim compiles the extension's C library from its sources in pgext, with edits, into a
// directory that the servers' account can read: it returns the library's path, to be named in
// shared_preload_libraries, or to replace the one of a Copy. The engine of the sources without edits
// takes it for its own. The caller removes the directory that it is in. objects is a
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
	edited, err := edit(pgext, edits)
	if err != nil {
		return "", err
	}
	id, err := exec.Command(filepath.Join(pgext, "../tools/build-id.sh")).Output()
	if err != nil {
		return "", fmt.Errorf("pgcluster: build-id.sh: %w", withStderr(err))
	}
	var parts []string
	for _, pattern := range []string{"*.c", "*/*.c"} {
		files, err := filepath.Glob(filepath.Join(pgext, pattern))
		if err != nil {
			return "", fmt.Errorf("pgcluster: %w", err)
		}
		for _, f := range files {
			object, err := in.object(pgext, objects, dir, f, strings.TrimSpace(string(id)), edited)
			if err != nil {
				return "", err
			}
			parts = append(parts, object)
		}
	}
	library = filepath.Join(dir, "pgraft.so")
	return library, in.Compile(pgext, library, parts...)
}

// CheckEdits says which of some edits finds nothing to edit.
func CheckEdits(pgext string, edits ...Edit) error {
	_, err := edit(pgext, edits)
	return err
}

// edit returns the edited texts of files.
func edit(pgext string, edits []Edit) (edited map[string]string, err error) {
	edited = map[string]string{}
	for _, e := range edits {
		text, ok := edited[e.File]
		if !ok {
			original, err := os.ReadFile(filepath.Join(pgext, e.File))
			if err != nil {
				return nil, fmt.Errorf("pgcluster: %w", err)
			}
			text = string(original)
		}
		if n := strings.Count(text, e.Is); n != 1 {
			return nil, fmt.Errorf("pgcluster: %s has %q %d times", e.File, e.Is, n)
		}
		edited[e.File] = strings.Replace(text, e.Is, e.Becomes, 1)
	}
	return edited, nil
}

// Copy copies a PostgreSQL, which finds its files relative to its programs, into a directory that
// is to be made.
func (in Install) Copy(to string) (Install, error) {
	root := in.BinDir
	for _, d := range []string{in.ShareDir, in.PkgLibDir} {
		for !strings.HasPrefix(d, root+"/") {
			root = filepath.Dir(root)
		}
	}
	for _, d := range []string{in.BinDir, in.ShareDir, in.PkgLibDir} {
		copyTo := filepath.Join(to, strings.TrimPrefix(d, root))
		if err := os.MkdirAll(copyTo, 0o755); err != nil {
			return Install{}, fmt.Errorf("pgcluster: %w", err)
		}
		if out, err := exec.Command("cp", "-aL", d+"/.", copyTo).CombinedOutput(); err != nil {
			return Install{}, fmt.Errorf("pgcluster: copy %s: %w\n%s", d, err, out)
		}
	}
	// a PostgreSQL that brings its own libraries has them beside that directory
	libraries, err := filepath.Glob(filepath.Join(filepath.Dir(in.PkgLibDir), "lib*.so*"))
	if err != nil {
		return Install{}, fmt.Errorf("pgcluster: %w", err)
	}
	for _, l := range libraries {
		if err := os.Symlink(l, filepath.Join(to, strings.TrimPrefix(l, root))); err != nil {
			return Install{}, fmt.Errorf("pgcluster: %w", err)
		}
	}
	copied, err := Find(filepath.Join(to, strings.TrimPrefix(in.BinDir, root), "pg_config"))
	if err == nil && !strings.HasPrefix(copied.PkgLibDir, to) {
		err = fmt.Errorf("pgcluster: the copy in %s finds its libraries in %s", to, copied.PkgLibDir)
	}
	return copied, err
}

// object compiles one file, if that was not done before.
func (in Install) object(pgext, objects, dir, file, id string, edited map[string]string) (object string, err error) {
	name, err := filepath.Rel(pgext, file)
	if err != nil {
		return "", fmt.Errorf("pgcluster: %w", err)
	}
	flat := strings.ReplaceAll(name, "/", "-")
	object = filepath.Join(objects, flat+".o")
	if text, ok := edited[name]; ok {
		object, file = filepath.Join(dir, flat+".o"), filepath.Join(dir, flat)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("pgcluster: %w", err)
		}
	} else if _, err := os.Stat(object); err == nil {
		return object, nil
	}
	return object, in.Compile(pgext, object, "-c", "-O0", `-DPGRAFT_BUILD_ID="`+id+`"`, file)
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
