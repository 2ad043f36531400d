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
}

type markerFile struct {
	Comment string `json:"comment"`
	NodeID  uint32 `json:"node_id"`
	Replica string `json:"replica_uuid"`
}

func readMarker(path string) (marker, bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return marker{}, false, nil
	}
	if err != nil {
		return marker{}, false, fmt.Errorf("node: marker: %w", err)
	}
	var f markerFile
	if err := json.Unmarshal(b, &f); err != nil {
		return marker{}, false, fmt.Errorf("node: marker %s: %w", path, err)
	}
	uuid, err := hex.DecodeString(f.Replica)
	if err != nil || len(uuid) != 16 {
		return marker{}, false, fmt.Errorf("node: marker %s: replica_uuid %q is not 16 bytes in hexadecimal", path, f.Replica)
	}
	return marker{f.NodeID, [16]byte(uuid)}, true, nil
}

// writeMarker is durable on return: written aside, synced, renamed, and the
// directory synced.
func writeMarker(path string, id core.Identity) error {
	b, err := json.MarshalIndent(markerFile{
		Comment: "pgraft was initialised on this server. Without this file an emptied pgraft.data_dir would pass for a new node.",
		NodeID:  id.NodeID, Replica: hex.EncodeToString(id.ReplicaUUID[:]),
	}, "", "  ")
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
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
