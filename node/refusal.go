package node

import (
	"fmt"
	"os"

	"github.com/pgraft/pgraft/core"
)

// OpenError says why a directory cannot be taken for this node's, and what an
// operator can do.
type OpenError struct {
	Alarm  core.Alarm
	Text   string
	Hint   string // sentences
	Passes bool   // it can be tried again: the data may only be out of reach
	// Foreign: the directory never was a node's.
	Foreign bool
	Err     error // the cause; nil: none but Text
}

func (e *OpenError) Unwrap() error { return e.Err }

func (e *OpenError) Error() string { return "node: " + e.Text + ". " + e.Hint }

// tooOld is the error for a store that a newer build has written.
func tooOld(err error) error {
	return &OpenError{Alarm: core.TooOld, Text: err.Error(), Err: err,
		Hint: "There is no way back to an older pgraft: install the newer one on this server again, and restart it."}
}

// refusal puts a refused start into words. damage says what is wrong with the marker,
// if that is why.
func (n *Node) refusal(t core.Takeover, f core.Found, damage error) error {
	dir, path := n.cfg.DataDir, n.cfg.MarkerPath
	e := &OpenError{Alarm: t.Alarm, Passes: t.Passes}
	switch t.Refusal {
	case core.DamagedMarker:
		e.Text = fmt.Sprintf("%s is damaged: %v", path, damage)
		e.Hint = "If this node's data directory is as it was, delete that file and restart this server: the node writes it anew. " +
			"If its data is lost too: remove the node from the cluster on its leader first."
	case core.OtherFiles:
		e.Foreign = true
		e.Text = fmt.Sprintf("%s is not empty, and holds no data of a node", dir)
		e.Hint = "Set pgraft.data_dir to a directory of its own, one that is empty or not there yet, and restart the server."
	case core.OtherFilesInstead:
		e.Foreign = true
		e.Text = fmt.Sprintf("%s holds something else than a node's data, but %s says that node %d was initialised", dir, path, f.Marker.NodeID)
		e.Hint = fmt.Sprintf("Bring its directory back, or mount it: the node then starts by itself. If its data is lost: remove node %d from the cluster on its leader, delete %s, "+
			"give it a directory that is empty, restart this server, run pgraft_init(false), and add it again.", f.Marker.NodeID, path)
	case core.DataGone:
		e.Text = fmt.Sprintf("%s %s, but %s says that node %d was initialised: it is not mounted, or its data is lost", dir, emptiness(dir), path, f.Marker.NodeID)
		e.Hint = fmt.Sprintf("If it lies on a file system of its own, mount it: the node then starts by itself. If the data is lost, "+
			"remove node %d from the cluster on its leader, delete %s, restart this server, run pgraft_init(false), and add it again.", f.Marker.NodeID, path)
	case core.IdentityGone:
		return fmt.Errorf("node: the log store in %s has no identity, but %s says that node %d was initialised", dir, path, f.Marker.NodeID)
	case core.OtherNode:
		e.Text = fmt.Sprintf("%s belongs to node %d, but the node id is set to %d", dir, f.Identity.NodeID, n.cfg.NodeID)
		e.Hint = n.ifCopied(fmt.Sprintf("Else set the node id back to %d.", f.Identity.NodeID))
	case core.OtherReplicaMarked:
		e.Text = fmt.Sprintf("%s holds another replica than the one that %s describes: it was copied or exchanged", dir, path)
		e.Hint = n.ifCopied("Else bring the right one back.")
	case core.OtherAddress:
		e.Text = fmt.Sprintf("%s belongs to node %d at %s, but its address is set to %s", dir, f.Identity.NodeID, f.Marker.Address, n.cfg.endpoint())
		e.Hint = n.ifCopied(fmt.Sprintf("If it has moved: remove node %d from the cluster, do the same here, then add it again. "+
			"If this is the same server under another name, and the others reach it under both: delete %s alone, and start it.", f.Identity.NodeID, path))
	default:
		panic(fmt.Sprintf("a start is refused for reason %d", t.Refusal))
	}
	return e
}

// ifCopied is the way out for a directory that was copied, moved or exchanged.
func (n *Node) ifCopied(otherwise string) string {
	return fmt.Sprintf("If this server is a copy, as a standby or a restored backup is: stop it, empty %s, delete %s, start it and run pgraft_init(false). %s",
		n.cfg.DataDir, n.cfg.MarkerPath, otherwise)
}

// emptiness says what a directory without a log store is.
func emptiness(dir string) string {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return "holds no log store"
	}
	return "is empty"
}
