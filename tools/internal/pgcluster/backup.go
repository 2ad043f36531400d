package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// AddBackup makes a standby of a server that runs, with settings on top of the cluster's, by
// PostgreSQL's low-level API for base backups: pg_basebackup is not in every installation. The
// node's own files are left out, so that the standby can be a node of its own. Its
// primary_conninfo stands in postgresql.auto.conf, as that of pg_basebackup's
// --write-recovery-conf does. It does not run yet.
func (c *Cluster) AddBackup(ctx context.Context, primary *Server, settings map[string]string) (*Server, error) {
	s, err := c.newServer(len(c.Servers)+1, merged(c.config.Settings, settings))
	if err != nil {
		return nil, err
	}
	conn, err := primary.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) // ends a backup that has failed
	if err := s.backup(ctx, conn, primary.DataDir); err != nil {
		return nil, fmt.Errorf("pgcluster: base backup of node %d for node %d: %w", primary.NodeID, s.NodeID, err)
	}
	for name, text := range map[string]string{"standby.signal": "",
		"postgresql.auto.conf": fmt.Sprintf("primary_conninfo = 'host=%s port=%d user=postgres application_name=node%d'\n", primary.place.Address, primary.Port, s.NodeID)} {
		if err := s.write(name, text); err != nil {
			return nil, err
		}
	}
	return s, s.writeConf()
}

func (s *Server) backup(ctx context.Context, conn *pgx.Conn, from string) error {
	if _, err := conn.Exec(ctx, "SELECT pg_backup_start('pgcluster', true)"); err != nil {
		return err
	}
	if err := os.Mkdir(s.DataDir, 0o700); err != nil {
		return err
	}
	if err := s.cluster.account.own(s.DataDir); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "postmaster.") || strings.HasPrefix(name, "pgraft") {
			continue
		} else if err := copyMoving(ctx, filepath.Join(from, name), s.DataDir); err != nil {
			return err
		}
	}
	for _, dir := range []string{"pg_wal", "pg_replslot"} {
		if err := EmptyDir(filepath.Join(s.DataDir, dir)); err != nil {
			return err
		}
	}
	var label string
	if err := conn.QueryRow(ctx, "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label); err != nil {
		return err
	}
	if err := copyMoving(ctx, filepath.Join(from, "pg_wal"), s.DataDir); err != nil {
		return err
	}
	return s.write("backup_label", label)
}

// copyMoving copies what a server that runs changes meanwhile: files that it removes are gone.
func copyMoving(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "cp", "-a", from, to)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	err := cmd.Run()
	var status *exec.ExitError
	if !errors.As(err, &status) {
		return err
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, "No such file or directory") {
			return fmt.Errorf("cp: %w: %s", err, stderr.String())
		}
	}
	return nil
}

// EmptyDir removes all that is in a directory.
func EmptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file of the server's in its data directory.
func (s *Server) write(name, text string) error {
	path := filepath.Join(s.DataDir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("pgcluster: node %d: %w", s.NodeID, err)
	}
	return s.cluster.account.own(path)
}
