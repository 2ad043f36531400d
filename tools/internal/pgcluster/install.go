package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Install is one PostgreSQL installation, as its pg_config describes it.
type Install struct {
	PGConfig  string // path of pg_config
	BinDir    string
	ShareDir  string
	PkgLibDir string
	Version   string // like "PostgreSQL 17.10"
}

// Find asks a pg_config about its installation. An empty path stands for
// $PG_CONFIG, then for the pg_config of the search path.
func Find(pgConfig string) (Install, error) {
	if pgConfig == "" {
		pgConfig = os.Getenv("PG_CONFIG")
	}
	if pgConfig == "" {
		pgConfig = "pg_config"
	}
	path, err := exec.LookPath(pgConfig)
	if err != nil {
		return Install{}, fmt.Errorf("no pg_config at %q: %w; "+
			"install PostgreSQL's server packages, or name one with --pg-config PATH", pgConfig, err)
	}
	in := Install{PGConfig: path}
	for _, q := range []struct {
		option string
		into   *string
	}{{"--bindir", &in.BinDir}, {"--sharedir", &in.ShareDir}, {"--pkglibdir", &in.PkgLibDir}, {"--version", &in.Version}} {
		out, err := exec.Command(path, q.option).Output()
		if err != nil {
			return Install{}, fmt.Errorf("%s %s: %w", path, q.option, withStderr(err))
		}
		*q.into = strings.TrimSpace(string(out))
	}
	for _, bin := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(in.bin(bin)); err != nil {
			return Install{}, fmt.Errorf("%s names the programs' directory %s, but: %w; "+
				"install the server package of %s, or name another pg_config", path, in.BinDir, err, in.Version)
		}
	}
	return in, nil
}

// CheckExtension says whether the extension's files are installed in this
// PostgreSQL, and what to run if not.
func (in Install) CheckExtension() error {
	for _, file := range []string{
		filepath.Join(in.ShareDir, "extension", "pgraft.control"),
		filepath.Join(in.PkgLibDir, "pgraft.so"),
		filepath.Join(in.PkgLibDir, engineLibrary),
	} {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the extension pgraft is not installed in %s (%s is missing): run `make install PG_CONFIG=%s`",
				in.Version, file, in.PGConfig)
		} else if err != nil {
			return fmt.Errorf("pgcluster: look for the extension: %w", err)
		}
	}
	return nil
}

// TellsSystemd says whether its servers tell a service manager of their starts and stops, as those
// do that are built with systemd.
func (in Install) TellsSystemd() (bool, error) {
	text, err := os.ReadFile(in.bin("postgres"))
	if err != nil {
		return false, fmt.Errorf("pgcluster: %w", err)
	}
	return bytes.Contains(text, []byte("sd_notify")), nil
}

func (in Install) bin(name string) string { return filepath.Join(in.BinDir, name) }

// withStderr adds what a program wrote to its standard error.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
