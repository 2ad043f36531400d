package archtest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// maxLines bounds a hand-written source file; most have fewer than 300.
const maxLines = 400

// sourceFiles returns the hand-written source files of the project, by path from its
// root, sorted.
func sourceFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || path == filepath.Join(root, "build")):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if slices.Contains([]string{".go", ".c", ".h", ".sh", ".js", ".pl", ".pm"}, filepath.Ext(rel)) && !generated[rel] {
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// root is the directory of the project, from this package.
const root = "../.."

// generated files are written by a program: see the Makefile.
var generated = map[string]bool{"core/corepb/core.pb.go": true, "core/corepb/failover.pb.go": true}

// A file that needs more lines has more than one purpose.
func TestFilesAreShort(t *testing.T) {
	files := sourceFiles(t)
	if !slices.Contains(files, "core/core.go") || !slices.Contains(files, "tools/archtest/size_test.go") {
		t.Fatalf("core/core.go or this file is not among the %d source files", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, at most %d are allowed: move what has another purpose into a file of its own", f, n, maxLines)
		}
	}
}
