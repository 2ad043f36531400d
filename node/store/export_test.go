package store

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// SealForTest makes a value with a right checksum.
func SealForTest(key string, payload []byte) []byte {
	return binary.LittleEndian.AppendUint32(payload, checksum([]byte(key), payload))
}

// Metrics are Pebble's.
func (p *Pebble) Metrics() *pebble.Metrics { return p.db.Metrics() }
