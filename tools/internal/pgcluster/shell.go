package pgcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// shellDelay is how long what a script leaves running may hold on to its output.
const shellDelay = 5 * time.Second

// Shell runs a script with bash, as an operator would type it on the server: as
// the server's account, beside its data directory, with PGDATA and the client's
// variables set, and PostgreSQL's programs on the path. It returns what the
// script prints; the error is that of its last command.
func (s *Server) Shell(ctx context.Context, script string, env ...string) (string, error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return "", fmt.Errorf("pgcluster: %w", err)
	}
	cmd := s.command(ctx, bash, []string{"-c", script}, env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("on node %d: %w", s.NodeID, err)
	}
	return string(out), err
}

// Pgraft is the command pgraft, as an operator would type it on the server: the one beside
// PostgreSQL's programs, or else the one on the path.
func (s *Server) Pgraft(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program := s.Install.bin("pgraft")
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("pgraft"); err != nil {
			return nil, fmt.Errorf("pgcluster: the command pgraft is not installed: %w", err)
		}
	}
	return s.command(ctx, program, args, nil), nil
}

func (s *Server) command(ctx context.Context, program string, args, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.WaitDelay = filepath.Dir(s.DataDir), shellDelay
	cmd.Env = os.Environ()
	s.cluster.account.prepare(cmd)
	cmd.Env = append(append(cmd.Env, "PATH="+filepath.Dir(s.Install.bin("psql"))+":"+os.Getenv("PATH"),
		"PGDATA="+s.DataDir, "PGHOST="+s.place.Address, "PGPORT="+strconv.Itoa(s.Port), "PGUSER=postgres", "PGDATABASE=postgres"), env...)
	return cmd
}
