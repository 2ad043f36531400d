package node

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgraft/pgraft/core"
)

// marker is what the file outside the data directory remembers.
type marker struct {
	NodeID  uint32
	Replica [16]byte
	// Address (host:port) is what the node was reached at when it last ran; empty
	// in files of before it was kept.
	Address string
	// Former are the uuids that the cluster had before this replica recovered it
	// from lost quorums, oldest first: what was applied under them is its own past.
	Former [][16]byte
}

type markerFile struct {
	Comment string   `json:"comment"`
	NodeID  uint32   `json:"node_id"`
	Replica string   `json:"replica_uuid"`
	Address string   `json:"address,omitempty"`
	Former  []string `json:"former_cluster_uuids,omitempty"`
}

func readMarker(path string) (marker, bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return marker{}, false, nil
	}
	if err != nil {
		return marker{}, false, fmt.Errorf("node: marker: %w", err)
	}
	m, err := parseMarker(b)
	if err != nil {
		return marker{}, false, &OpenError{Text: fmt.Sprintf("%s is damaged: %v", path, err),
			Hint: "If this node's data directory is as it was, delete that file and restart this server: the node writes it anew. " +
				"If its data is lost too: remove the node from the cluster on its leader first."}
	}
	return m, true, nil
}

func parseMarker(b []byte) (m marker, err error) {
	var f markerFile
	if err := json.Unmarshal(b, &f); err != nil {
		return m, err
	}
	m.NodeID, m.Address = f.NodeID, f.Address
	if m.Replica, err = parseUUID(f.Replica); err != nil {
		return m, fmt.Errorf("replica_uuid: %w", err)
	}
	for _, s := range f.Former {
		u, err := parseUUID(s)
		if err != nil {
			return m, fmt.Errorf("former_cluster_uuids: %w", err)
		}
		m.Former = append(m.Former, u)
	}
	return m, nil
}

func parseUUID(s string) (u [16]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, fmt.Errorf("%q is not 16 bytes in hexadecimal", s)
	}
	return [16]byte(b), nil
}

// writeMarker is durable on return: written aside, synced, renamed, and the
// directory synced.
func (n *Node) writeMarker(id core.Identity, former [][16]byte) error {
	path := n.cfg.MarkerPath
	f := markerFile{
		Comment: "pgraft was initialised on this server. Without this file an emptied pgraft.data_dir would pass for a new node.",
		NodeID:  id.NodeID, Replica: hex.EncodeToString(id.ReplicaUUID[:]),
		Address: n.cfg.endpoint(),
	}
	for _, u := range former {
		f.Former = append(f.Former, hex.EncodeToString(u[:]))
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("node: marker: %w", err)
	}
	tmp := path + ".new"
	if err := writeSynced(tmp, append(b, '\n')); err != nil {
		return fmt.Errorf("node: marker: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("node: marker: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes it durable which files are in a directory.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
