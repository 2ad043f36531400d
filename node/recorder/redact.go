package recorder

import (
	"crypto/sha256"
	"encoding/binary"
)

// stand puts in the place of a user's data what its SHA-256 decides.
func stand(data []byte) {
	key := sha256.Sum256(data)
	for n := uint64(0); len(data) > 0; n++ {
		block := sha256.Sum256(binary.LittleEndian.AppendUint64(key[:], n))
		data = data[copy(data, block[:]):]
	}
}
