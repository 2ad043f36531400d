package standalone

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgraft/pgraft/tools/internal/autoconf"
)

// opts are how the server was started last.
type opts struct {
	postgres string
	args     []string // but for the data directory
}

// readOpts reads the file that a server leaves: its program, and each argument in quotes.
func readOpts(dataDir string) (o opts, err error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.opts"))
	if err != nil {
		return o, fmt.Errorf("how the server was started last: %w", err)
	}
	program, rest, _ := strings.Cut(strings.TrimSpace(string(text)), ` "`)
	o.postgres = program
	var args []string
	if rest != "" {
		args = strings.Split(strings.TrimSuffix(rest, `"`), `" "`)
	}
	for i := 0; i < len(args); i++ {
		if args[i] == "-D" {
			i++
			continue
		}
		o.args = append(o.args, args[i])
	}
	return o, nil
}

// line is the arguments for a shell.
func (o *opts) line() string {
	var words []string
	for _, a := range o.args {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// program runs a program of PostgreSQL's, and returns what it prints.
func (s *server) program(name string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(filepath.Dir(s.opts.postgres), name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if name == "pg_ctl" {
		cmd.Env = os.Environ() // the server's are these, too
	}
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// setting is what the server would start with; otherwise where it is nowhere set: without its
// library PostgreSQL knows no default of an extension's setting.
func (s *server) setting(name, otherwise string) (string, error) {
	out, err := s.program("postgres", append([]string{"-D", s.DataDir, "-C", name}, s.opts.args...)...)
	if err != nil && strings.Contains(err.Error(), "unrecognized configuration parameter") {
		return otherwise, nil
	}
	return strings.TrimSuffix(out, "\n"), err
}

// controlData is what pg_control says.
func (s *server) controlData() (map[string]string, error) {
	out, err := s.program("pg_controldata", "-D", s.DataDir)
	m := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(line, ":")
		m[key] = strings.TrimSpace(value)
	}
	return m, err
}

// alone are the settings with which a server is nobody's standby, waits for none, and loads no
// pgraft: these libraries are left.
func alone(libraries string) []autoconf.Setting {
	return []autoconf.Setting{{Name: "shared_preload_libraries", Value: libraries}, {Name: "synchronous_standby_names"}, {Name: "primary_conninfo"}, {Name: "restore_command"}}
}

// others are the libraries of a list without pgraft.
func others(libraries string) string {
	return strings.Join(slices.DeleteFunc(split(libraries), isPgraft), ",")
}

// split are the libraries of a list.
func split(libraries string) (l []string) {
	for x := range strings.SplitSeq(libraries, ",") {
		if x = strings.Trim(strings.TrimSpace(x), `"`); x != "" {
			l = append(l, x)
		}
	}
	return l
}

func isPgraft(library string) bool {
	return strings.TrimSuffix(filepath.Base(library), ".so") == "pgraft"
}

// setAlone writes these where they count more than those in other files.
func (s *server) setAlone() error {
	libraries, err := s.setting("shared_preload_libraries", "")
	if err != nil {
		return err
	}
	left := others(libraries)
	if err := autoconf.Set(s.DataDir, nil, alone(left)); err != nil {
		return err
	}
	now, err := s.setting("shared_preload_libraries", "")
	if err == nil && now != left {
		err = fmt.Errorf("shared_preload_libraries is %q on the command line of the server: start it without that", now)
	}
	return err
}

func quote(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }

// running says whether the process that the lock file names works in the data directory: a
// server, or what makes its data anew.
func running(dataDir string) (pid int, runs bool) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return 0, false
	}
	at, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return 0, false
	}
	dir, err := os.Stat(dataDir)
	return pid, err == nil && os.SameFile(at, dir)
}

// isOwner refuses whoever the server would not run as.
func isOwner(dataDir string) error {
	info, err := os.Stat(dataDir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if uid := os.Getuid(); uid == 0 || uint32(uid) != owner {
		return fmt.Errorf("this must run as the owner of %s, and not as root: as with pg_ctl", dataDir)
	}
	return nil
}
