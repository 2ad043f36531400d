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

// markerFile is a core.Marker in the file outside the data directory.
type markerFile struct {
	Comment string `json:"comment"`
	NodeID  uint32 `json:"node_id"`
	Replica string `json:"replica_uuid"`
	Address string `json:"address,omitempty"`
	// The clusters that this node recovered, and the index of the entry at which it
	// did: as many, or none in a file of an older build.
	Former    []string `json:"former_cluster_uuids,omitempty"`
	Recovered []uint64 `json:"recovered_at_index,omitempty"`
}

// readMarker returns nil if there is none. damage says that the file is none that a
// node has written.
func readMarker(path string) (m *core.Marker, damage, err error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("node: marker: %w", err)
	}
	m, damage = parseMarker(b)
	return m, damage, nil
}

func parseMarker(b []byte) (*core.Marker, error) {
	var f markerFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	m := &core.Marker{NodeID: f.NodeID, Address: f.Address}
	var err error
	if m.ReplicaUUID, err = parseUUID(f.Replica); err != nil {
		return nil, fmt.Errorf("replica_uuid: %w", err)
	}
	if len(f.Recovered) != 0 && len(f.Recovered) != len(f.Former) {
		return nil, fmt.Errorf("recovered_at_index has %d entries, and former_cluster_uuids has %d", len(f.Recovered), len(f.Former))
	}
	for i, s := range f.Former {
		u, err := parseUUID(s)
		if err != nil {
			return nil, fmt.Errorf("former_cluster_uuids: %w", err)
		}
		former := core.FormerCluster{ClusterUUID: u}
		if len(f.Recovered) != 0 {
			former.Recovered = f.Recovered[i]
		}
		m.Former = append(m.Former, former)
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
func (n *Node) writeMarker(m core.Marker) error {
	path := n.cfg.MarkerPath
	f := markerFile{
		Comment: "pgraft was initialised on this server. Without this file an emptied pgraft.data_dir would pass for a new node.",
		NodeID:  m.NodeID, Replica: hex.EncodeToString(m.ReplicaUUID[:]),
		Address: m.Address,
	}
	for _, c := range m.Former {
		f.Former = append(f.Former, hex.EncodeToString(c.ClusterUUID[:]))
		f.Recovered = append(f.Recovered, c.Recovered)
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
