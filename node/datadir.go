package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/node/store"
)

// lostAndFound is what an empty file system holds.
const lostAndFound = "lost+found"

// look says what a data directory holds. What others put beside a store counts for
// nothing.
func look(dir string) (core.Holds, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return core.HoldsNothing, nil
	}
	if err != nil {
		return core.HoldsNothing, err
	}
	has := core.HoldsNothing
	for _, e := range names {
		switch name := e.Name(); {
		case store.IsMark(name):
			return core.HoldsStore, nil
		case name == lostAndFound, name == traceDir, name == host.StoreFile, name == noteAside, store.HoldsNothing(name):
		case store.IsFile(name):
			has = max(has, core.HoldsStore)
		default:
			has = core.HoldsOther
		}
	}
	return has, nil
}

// makeDataDir makes the directory of a new node, or gives one that is empty the
// mode that it would have made it with.
func (n *Node) makeDataDir() error {
	dir := n.cfg.DataDir
	switch has, err := look(dir); {
	case err != nil:
		return fmt.Errorf("node: data directory: %w", err)
	case has == core.HoldsOther: // since the node was opened
		f := core.Found{Holds: has}
		return n.refusal(core.TakeOver(n.self(), n.cfg.endpoint(), f), f, nil)
	}
	if err := os.MkdirAll(dir, n.cfg.dirMode()); err != nil {
		return fmt.Errorf("node: data directory: %w", err)
	}
	if err := os.Chmod(dir, n.cfg.dirMode()); err != nil {
		return &OpenError{Text: fmt.Sprintf("data directory: %v", err),
			Hint: fmt.Sprintf("Make the user that the server runs as the owner of %s.", dir)}
	}
	return syncDir(filepath.Dir(dir))
}
