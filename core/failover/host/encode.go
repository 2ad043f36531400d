package host

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
)

// The files of the notes: DataFile lies in the server's data directory, StoreFile in the
// directory of the Raft store. What is written aside first is durable, and then renamed.
const (
	DataFile  = "pgraft.failover"
	StoreFile = "FAILOVER"
)

// Notes on disk are text, as PostgreSQL's own small files are: the library reads and writes
// the data directory's in C, before the engine runs, and a person can read them. The first
// line names the kind and its version; then comes a line a field, each field in its place; the
// last line is the CRC-32C of all before it. Nothing else is read: what differs by a byte is
// damage, or of another version.
const (
	dataHead  = "pgraft data 1\n"
	storeHead = "pgraft store 1\n"
	crcLine   = "crc32c %08x\n"
)

// Marshal returns the note as bytes.
func (d *Data) Marshal() []byte {
	b := fmt.Appendf(nil, "%sjoined %d\njoined_on %d\nsealed %d\ncut %s\nanew %d\nnonce %016x\ndoubt %d\nunguarded %d\n",
		dataHead, flag(d.Joined), d.JoinedOn, d.Sealed, lsn(d.Cut), d.Anew, d.Nonce, d.Doubt, flag(d.Unguarded))
	for _, n := range d.Notes {
		b = fmt.Appendf(b, "timeline %d %d\n", n.Timeline, n.Epoch)
	}
	for _, t := range d.Wrote {
		b = fmt.Appendf(b, "wrote %d\n", t)
	}
	return summed(b)
}

// Marshal returns the note as bytes.
func (s *Store) Marshal() []byte {
	return summed(fmt.Appendf(nil, "%sjoined %d\nboot %d\nnonce %016x\nnext_nonce %016x\nfloor %d %s\n",
		storeHead, flag(s.Joined), s.Boot, s.Nonce, s.NextNonce, s.Floor.Epoch, lsn(s.Floor.LSN)))
}

// UnmarshalData reads Data.Marshal.
func UnmarshalData(b []byte) (Data, error) {
	var d Data
	err := read(b, dataHead, func(key, rest string) error {
		switch key {
		case "joined":
			return scanFlag(rest, &d.Joined)
		case "joined_on":
			return scan(rest, "%d", &d.JoinedOn)
		case "sealed":
			return scan(rest, "%d", &d.Sealed)
		case "cut":
			return scanLSN(rest, &d.Cut)
		case "anew":
			return scan(rest, "%d", &d.Anew)
		case "nonce":
			return scan(rest, "%x", &d.Nonce)
		case "doubt":
			return scan(rest, "%d", &d.Doubt)
		case "unguarded":
			return scanFlag(rest, &d.Unguarded)
		case "timeline":
			var n failover.Note
			err := scan(rest, "%d %d", &n.Timeline, &n.Epoch)
			d.Notes = append(d.Notes, n)
			return err
		case "wrote":
			var t uint32
			err := scan(rest, "%d", &t)
			d.Wrote = append(d.Wrote, t)
			return err
		}
		return fmt.Errorf("there is no such field")
	})
	switch {
	case err != nil:
		return Data{}, err
	case !d.Doubt.Known() || !bytes.Equal(d.Marshal(), b):
		return Data{}, fmt.Errorf("host: %q has other fields than a note of this version", dataHead[:len(dataHead)-1])
	}
	return d, nil
}

// UnmarshalStore reads Store.Marshal.
func UnmarshalStore(b []byte) (Store, error) {
	var s Store
	err := read(b, storeHead, func(key, rest string) error {
		switch key {
		case "joined":
			return scanFlag(rest, &s.Joined)
		case "boot":
			return scan(rest, "%d", &s.Boot)
		case "nonce":
			return scan(rest, "%x", &s.Nonce)
		case "next_nonce":
			return scan(rest, "%x", &s.NextNonce)
		case "floor":
			epoch, at, _ := strings.Cut(rest, " ")
			if err := scan(epoch, "%d", &s.Floor.Epoch); err != nil {
				return err
			}
			return scanLSN(at, &s.Floor.LSN)
		}
		return fmt.Errorf("there is no such field")
	})
	switch {
	case err != nil:
		return Store{}, err
	case !bytes.Equal(s.Marshal(), b):
		return Store{}, fmt.Errorf("host: %q has other fields than a note of this version", storeHead[:len(storeHead)-1])
	}
	return s, nil
}

// read looks at the first and the last line, and hands on those between.
func read(b []byte, head string, field func(key, rest string) error) error {
	text, ok := strings.CutPrefix(string(b), head)
	if !ok {
		first, _, _ := strings.Cut(string(b[:min(len(b), 80)]), "\n")
		return fmt.Errorf("host: a note begins with %q, not with %q: it is damaged, or of another version", first, head[:len(head)-1])
	}
	body := len(b) - len(fmt.Sprintf(crcLine, 0))
	if body < len(head) || !bytes.Equal(summed(b[:body:body]), b) {
		return fmt.Errorf("host: %q is damaged: its sum does not match", head[:len(head)-1])
	}
	for line := range strings.Lines(text[:body-len(head)]) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if err := field(key, rest); err != nil {
			return fmt.Errorf("host: %q, %q: %w", head[:len(head)-1], line, err)
		}
	}
	return nil
}

func summed(b []byte) []byte {
	return fmt.Appendf(b, crcLine, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lsn is an LSN as PostgreSQL writes it.
func lsn(at uint64) string { return fmt.Sprintf("%X/%X", at>>32, uint32(at)) }

func scan(text, format string, to ...any) error {
	_, err := fmt.Sscanf(text, format, to...)
	return err
}

func scanFlag(text string, to *bool) error {
	var n uint8
	err := scan(text, "%d", &n)
	*to = n == 1
	return err
}

func scanLSN(text string, to *uint64) error {
	var high, low uint32
	err := scan(text, "%X/%X", &high, &low)
	*to = uint64(high)<<32 | uint64(low)
	return err
}
