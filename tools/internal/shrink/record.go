package shrink

import (
	"fmt"
	"os"
	"path/filepath"
)

// Recordings are the traces of a simulated run, by node id.
type Recordings map[uint32][]byte

// Add is for sim.Options.Record.
func (r Recordings) Add(node uint32, frames []byte) { r[node] = append(r[node], frames...) }

// Write makes dir and puts nodeN.trace for each node into it. Without traces
// it does nothing.
func (r Recordings) Write(dir string) error {
	if len(r) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	for node, data := range r {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("node%d.trace", node)), data, 0o644); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return nil
}
