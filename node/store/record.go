package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
)

// What is where in Pebble. Every value ends in a CRC32C over its key and itself,
// so that a value under another's key is found out too. Numbers are
// little-endian, except in keys, which must sort.
//
//	e<index>    an entry: offset u64, term u64, kind u8, data
//	m/batch     how many batches were ever written: u64
//	m/format    the version of all this: u64
//	m/gaps      for each gap in the log, also one that was filled, where it begins
//	            and the index after it: u64 each, ascending; none without a gap
//	m/hard      term, vote, commit: u64 each, in one record (hashicorp/raft #661)
//	m/identity  see putIdentity
//	m/promise   the longest promise in milliseconds: u64
//	m/snapshot  the newest snapshot: index u64, term u64, data
//	m/start     the first index of the log: u64; 1 where there is no such record
//	m/version   the newest core.Persist.Version: u64; no such record: none was named
//
// An entry's offset is how many bytes of data the entries before it have had
// since the log was last replaced by a snapshot. It makes the bytes between any
// two entries known without a table of sizes in memory. Entries that fill a gap
// go on from those before it, so a gap that is filled is remembered as the place
// where offsets jump.
//
// A store begins in formatFirst. It is in format while it has a record that an older
// build would not miss and has to know: m/gaps, m/version.
const (
	formatFirst = 1
	format      = 2
)

const (
	entryPrefix   = 'e'
	entryKeyBytes = 1 + 8
	entryHeader   = 8 + 8 + 1
	sumBytes      = 4
	// recordBytes is what an entry takes in a batch beside its data: what it is, two
	// lengths, key, header, sum.
	recordBytes = 1 + 1 + 5 + entryKeyBytes + entryHeader + sumBytes
)

var (
	keyBatch    = []byte("m/batch")
	keyFormat   = []byte("m/format")
	keyGaps     = []byte("m/gaps")
	keyHard     = []byte("m/hard")
	keyIdentity = []byte("m/identity")
	keyPromise  = []byte("m/promise")
	keySnapshot = []byte("m/snapshot")
	keyStart    = []byte("m/start")
	keyVersion  = []byte("m/version")

	entriesBegin = []byte{entryPrefix}
	entriesEnd   = []byte{entryPrefix + 1}

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func entryKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, entryKeyBytes), entryPrefix), index)
}

func entryIndex(key []byte) (uint64, bool) {
	if len(key) != entryKeyBytes || key[0] != entryPrefix {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

// recordName is how people know the record under key.
func recordName(key []byte) string {
	if i, ok := entryIndex(key); ok {
		return fmt.Sprintf("log entry %d", i)
	}
	switch string(key) {
	case string(keyBatch):
		return "batch counter"
	case string(keyFormat):
		return "format version"
	case string(keyGaps):
		return "gaps of the log"
	case string(keyHard):
		return "hard state"
	case string(keyIdentity):
		return "identity"
	case string(keyPromise):
		return "promise"
	case string(keySnapshot):
		return "snapshot"
	case string(keyStart):
		return "start of the log"
	case string(keyVersion):
		return "cluster version"
	}
	return fmt.Sprintf("record %q", key)
}

// put adds a record of size bytes, which fill writes in place: a large entry is
// copied once.
func put(b *pebble.Batch, key []byte, size int, fill func(payload []byte)) error {
	op := b.SetDeferred(len(key), size+sumBytes)
	copy(op.Key, key)
	fill(op.Value[:size])
	return seal(op)
}

// seal ends a record that has its key and payload. The sum is made of the key in the
// batch: any other one would have to be allocated.
func seal(op *pebble.DeferredBatchOp) error {
	size := len(op.Value) - sumBytes
	binary.LittleEndian.PutUint32(op.Value[size:], checksum(op.Key, op.Value[:size]))
	return op.Finish()
}

func checksum(key, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
}

// unseal checks a value and returns what is in it, not a copy. size is how long
// that must be at least, or exactly where exact is set.
func unseal(key, value []byte, size int, exact bool) ([]byte, error) {
	if len(value) < sumBytes {
		return nil, fmt.Errorf("it has %d bytes, less than a checksum", len(value))
	}
	payload, sum := value[:len(value)-sumBytes], binary.LittleEndian.Uint32(value[len(value)-sumBytes:])
	if got := checksum(key, payload); got != sum {
		return nil, fmt.Errorf("checksum %08x instead of %08x", got, sum)
	}
	if len(payload) < size || exact && len(payload) != size {
		return nil, fmt.Errorf("it has %d bytes instead of %d", len(payload), size)
	}
	return payload, nil
}

func putUint64s(b *pebble.Batch, key []byte, values ...uint64) error {
	return put(b, key, 8*len(values), func(p []byte) {
		for i, v := range values {
			binary.LittleEndian.PutUint64(p[8*i:], v)
		}
	})
}

// putPieces records how the log of c is in pieces, if it is or that of old was, in a
// store whose newest Persist.Version is version.
func putPieces(b *pebble.Batch, old, c contents, version uint64) error {
	if len(c.below) == 0 {
		if len(old.below) == 0 {
			return nil
		}
		err := b.Delete(keyGaps, nil)
		if version == 0 {
			err = errors.Join(err, putUint64s(b, keyFormat, formatFirst))
		}
		return err
	}
	var ends []uint64
	for i, p := range c.below {
		ends = append(ends, p.last+1, c.next(i))
	}
	return errors.Join(putUint64s(b, keyGaps, ends...), putUint64s(b, keyFormat, format))
}

// storedEntry is an entry with its place in the bytes of the log.
type storedEntry struct {
	core.Entry
	offset uint64
}

func (e storedEntry) end() uint64 { return e.offset + uint64(len(e.Data)) }

func putEntry(b *pebble.Batch, e *core.Entry, offset uint64) error {
	op := b.SetDeferred(entryKeyBytes, entryHeader+len(e.Data)+sumBytes)
	op.Key[0] = entryPrefix
	binary.BigEndian.PutUint64(op.Key[1:], e.Index)
	binary.LittleEndian.PutUint64(op.Value, offset)
	binary.LittleEndian.PutUint64(op.Value[8:], e.Term)
	op.Value[16] = byte(e.Kind)
	copy(op.Value[entryHeader:], e.Data)
	return seal(op)
}

// getEntry decodes an entry; its data is a copy.
func getEntry(key, value []byte) (storedEntry, error) {
	index, ok := entryIndex(key)
	if !ok {
		return storedEntry{}, errors.New("its key is no index")
	}
	p, err := unseal(key, value, entryHeader, false)
	if err != nil {
		return storedEntry{}, err
	}
	e := storedEntry{offset: binary.LittleEndian.Uint64(p)}
	e.Index, e.Term, e.Kind = index, binary.LittleEndian.Uint64(p[8:]), core.EntryKind(p[16])
	if len(p) > entryHeader {
		e.Data = append([]byte(nil), p[entryHeader:]...)
	}
	return e, nil
}

func putSnapshot(b *pebble.Batch, s *core.Snapshot) error {
	return put(b, keySnapshot, 16+len(s.Data), func(p []byte) {
		binary.LittleEndian.PutUint64(p, s.Index)
		binary.LittleEndian.PutUint64(p[8:], s.Term)
		copy(p[16:], s.Data)
	})
}

func getSnapshot(p []byte) *core.Snapshot {
	return &core.Snapshot{
		Index: binary.LittleEndian.Uint64(p), Term: binary.LittleEndian.Uint64(p[8:]),
		Data: append([]byte(nil), p[16:]...),
	}
}

// identityBytes is the length of an identity before its cluster id: node id u32,
// raft id u64, removed u8, replica and cluster uuid.
const identityBytes = 4 + 8 + 1 + 16 + 16

func putIdentity(b *pebble.Batch, id core.Identity) error {
	return put(b, keyIdentity, identityBytes+len(id.ClusterID), func(p []byte) {
		binary.LittleEndian.PutUint32(p, id.NodeID)
		binary.LittleEndian.PutUint64(p[4:], id.RaftID)
		p[12] = 0
		if id.Removed {
			p[12] = 1
		}
		copy(p[13:], id.ReplicaUUID[:])
		copy(p[29:], id.ClusterUUID[:])
		copy(p[identityBytes:], id.ClusterID)
	})
}

func getIdentity(p []byte) core.Identity {
	return core.Identity{
		NodeID: binary.LittleEndian.Uint32(p), RaftID: binary.LittleEndian.Uint64(p[4:]), Removed: p[12] != 0,
		ReplicaUUID: [16]byte(p[13:29]), ClusterUUID: [16]byte(p[29:45]), ClusterID: string(p[identityBytes:]),
	}
}
