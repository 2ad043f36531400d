package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// recordings are the traces of a simulated run, by node id.
type recordings map[uint32][]byte

func (r recordings) add(node uint32, frames []byte) { r[node] = append(r[node], frames...) }

// write makes dir and puts nodeN.trace for each node into it. Without traces
// it does nothing.
func (r recordings) write(dir string) error {
	if len(r) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--record: %w", err)
	}
	for node, data := range r {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("node%d.trace", node)), data, 0o644); err != nil {
			return fmt.Errorf("--record: %w", err)
		}
	}
	return nil
}
