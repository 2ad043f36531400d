package pgcluster

import (
	"context"
	"fmt"
	"os/exec"
)

// AddStandby makes a hot standby of a server that is stopped, with settings on
// top of the cluster's. Its data directory is a copy of all that the primary's
// holds, the node's own files included, as pg_basebackup would make it. It does
// not run yet.
func (c *Cluster) AddStandby(ctx context.Context, primary *Server, settings map[string]string) (*Server, error) {
	if running, err := primary.Running(); err != nil || running {
		return nil, fmt.Errorf("pgcluster: node %d has to be stopped to be copied (running: %v): %w", primary.NodeID, running, err)
	}
	follows := map[string]string{"hot_standby": "on",
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=postgres", primary.place.Address, primary.Port)}
	s, err := c.newServer(len(c.Servers)+1, merged(follows, c.config.Settings, settings))
	if err != nil {
		return nil, err
	}
	if err := s.copyDataDir(ctx, primary.DataDir); err != nil {
		return nil, err
	}
	if err := s.write("standby.signal", ""); err != nil {
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
