package store

import "encoding/binary"

// SealForTest makes a value with a right checksum.
func SealForTest(key string, payload []byte) []byte {
	return binary.LittleEndian.AppendUint32(payload, checksum([]byte(key), payload))
}
