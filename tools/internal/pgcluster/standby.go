package pgcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// AddStandby makes a hot standby of a server that is stopped, with settings on
// top of the cluster's. Its data directory is a copy of all that the primary's
// holds, the node's own files included, as pg_basebackup would make it. It does
// not run yet.
func (c *Cluster) AddStandby(ctx context.Context, primary *Server, settings map[string]string) (*Server, error) {
	if running, err := primary.Running(); err != nil || running {
		return nil, fmt.Errorf("pgcluster: node %d has to be stopped to be copied (running: %v): %w", primary.NodeID, running, err)
	}
	merged := map[string]string{"hot_standby": "on",
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=postgres", loopback, primary.Port)}
	for _, from := range []map[string]string{c.config.Settings, settings} {
		for k, v := range from {
			merged[k] = v
		}
	}
	s, err := c.newServer(len(c.Servers)+1, merged)
	if err != nil {
		return nil, err
	}
	if err := s.copyDataDir(ctx, primary.DataDir); err != nil {
		return nil, err
	}
	path := filepath.Join(s.DataDir, "standby.signal")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, fmt.Errorf("pgcluster: node %d: %w", s.NodeID, err)
	}
	if err := c.account.own(path); err != nil {
		return nil, err
	}
	return s, s.writeConf()
}

// copyDataDir makes the data directory a copy of another one, owners included.
func (s *Server) copyDataDir(ctx context.Context, from string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, s.DataDir).CombinedOutput(); err != nil {
		return fmt.Errorf("pgcluster: copy %s to node %d: %w: %s", from, s.NodeID, err, out)
	}
	return nil
}
