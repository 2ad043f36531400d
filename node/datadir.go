package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgraft/pgraft/node/store"
)

// contents is what a data directory holds.
type contents int

const (
	nothing       contents = iota // or there is no directory
	aStore                        // or what was made of one when Init was cut short
	somethingElse                 // which is not ours to write into
)

// lostAndFound is what an empty file system holds.
const lostAndFound = "lost+found"

// look says what a data directory holds. What others put beside a store counts for
// nothing.
func look(dir string) (contents, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return nothing, err
	}
	has := nothing
	for _, e := range names {
		switch name := e.Name(); {
		case store.IsMark(name):
			return aStore, nil
		case name == lostAndFound, name == traceDir, store.HoldsNothing(name):
		case store.IsFile(name):
			has = max(has, aStore)
		default:
			has = somethingElse
		}
	}
	return has, nil
}

// foreign is the error for a directory with something else in it.
func (n *Node) foreign(mark marker, marked bool) error {
	if marked {
		return &OpenError{Foreign: true, Passes: true,
			Text: fmt.Sprintf("%s holds something else than a node's data, but %s says that node %d was initialised", n.cfg.DataDir, n.cfg.MarkerPath, mark.NodeID),
			Hint: fmt.Sprintf("Bring its directory back, or mount it: the node then starts by itself. If its data is lost: remove node %d from the cluster on its leader, delete %s, "+
				"give it a directory that is empty, restart this server, run pgraft_init(false), and add it again.", mark.NodeID, n.cfg.MarkerPath)}
	}
	return &OpenError{Foreign: true, Text: fmt.Sprintf("%s is not empty, and holds no data of a node", n.cfg.DataDir),
		Hint: "Set pgraft.data_dir to a directory of its own, one that is empty or not there yet, and restart the server."}
}

// makeDataDir makes the directory of a new node, or gives one that is empty the
// mode that it would have made it with.
func (n *Node) makeDataDir() error {
	dir := n.cfg.DataDir
	switch has, err := look(dir); {
	case err != nil:
		return fmt.Errorf("node: data directory: %w", err)
	case has == somethingElse: // since the node was opened
		return n.foreign(marker{}, false)
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
