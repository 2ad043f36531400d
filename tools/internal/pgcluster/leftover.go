package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The marker tells a cluster's directory from any other that a user may name.
const (
	markerFile = "PGRAFT_DEMO"
	markerText = "Made by pgraft. `pgraft demo stop DIR` stops the servers in here and removes it all.\n"
)

// StopLeftover stops the servers of a cluster that another process left running
// and removes its directory. It refuses a directory that New did not make.
func StopLeftover(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, markerFile)); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is no directory of a pgraft demo (it has no file %s): nothing was touched", dir, markerFile)
	} else if err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	nodes, err := filepath.Glob(filepath.Join(dir, "node*", "data"))
	if err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	for _, data := range nodes {
		if err := destroyIn(ctx, data); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	return nil
}
