// Package autoconf writes postgresql.auto.conf, the file of ALTER SYSTEM, of a server that does not
// run. What stands there outranks postgresql.conf, wherever that lies.
package autoconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// file is its name in the data directory.
const file = "postgresql.auto.conf"

// Setting is a line of it.
type Setting struct{ Name, Value string }

// Set puts settings in the place of those that the file has, and takes others out. The file is as it was,
// or has all of that.
func Set(dataDir string, out []string, in []Setting) error {
	path := filepath.Join(dataDir, file)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return rejoin.WriteDurably(path, []byte(with(string(text), out, in)))
}

// with is a text with the settings at its end, in their order. Names have no case, as in PostgreSQL.
func with(text string, out []string, in []Setting) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "=")
		is := func(other string) bool { return strings.EqualFold(strings.TrimSpace(name), other) }
		if slices.ContainsFunc(out, is) || slices.ContainsFunc(in, func(s Setting) bool { return is(s.Name) }) {
			continue
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	for _, s := range in {
		fmt.Fprintf(&b, "%s = %s\n", s.Name, quote(s.Value))
	}
	return b.String()
}

// quote is a value as ALTER SYSTEM writes it: a backslash escapes there.
func quote(v string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(v) + "'" }
