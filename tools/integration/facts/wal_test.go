//go:build integration

package facts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// WAL as PostgreSQL 15 to 18 write it (access/xlogrecord.h, access/xlog_internal.h) on
// a little-endian machine.
const (
	segmentSize  = 1 << 20 // --wal-segsize of the template
	pageSize     = 8192
	recordHeader = 24
	shortHeader  = 24 // of a page
	longHeader   = 40 // of a segment's first page

	firstIsContinued = 0x0001 // XLP_FIRST_IS_CONTRECORD
)

// Records of the resource manager XLOG, by their info.
const (
	rmgrXLOG            = 0
	checkpointShutdown  = 0x00
	checkpointOnline    = 0x10
	walSwitch           = 0x40
	endOfRecovery       = 0x90
	overwriteContrecord = 0xD0
)

type lsn uint64

func (l lsn) String() string { return fmt.Sprintf("%X/%X", uint64(l>>32), uint32(l)) }

// inSegment is how far into its segment l is, in bytes.
func (l lsn) inSegment() int { return int(l % segmentSize) }

func parseLSN(text string) (lsn, error) {
	var high, low uint32
	if _, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil {
		return 0, fmt.Errorf("%q is no LSN: %w", text, err)
	}
	return lsn(high)<<32 | lsn(low), nil
}

// segment is the name of the file that holds l on a timeline.
func segment(timeline int, l lsn) string {
	const perID = 1 << 32 / segmentSize
	n := l / segmentSize
	return fmt.Sprintf("pg_wal/%08X%08X%08X", timeline, uint64(n/perID), uint64(n%perID))
}

func historyFile(timeline int) string { return fmt.Sprintf("pg_wal/%08X.history", timeline) }

// fileTimeline is the timeline in the name of a segment.
func fileTimeline(t *testing.T, name string) uint64 {
	t.Helper()
	timeline, err := strconv.ParseUint(name[:min(8, len(name))], 16, 32)
	must(t, err)
	return timeline
}

// record is a WAL record, from its first byte to where the next one may begin.
type record struct {
	at, end    lsn
	prev       lsn
	rmgr, info byte
	crc        uint32
}

func (r record) is(info byte) bool { return r.rmgr == rmgrXLOG && r.info&0xF0 == info }

// errEnd says why WAL is no longer valid at a place.
var errEnd = errors.New("the end of valid WAL")

// records reads valid WAL from the files of one timeline, from the beginning of a
// record on. It returns the records and where they end, as PostgreSQL's own reader
// finds it when it recovers.
func (s *server) records(timeline int, from lsn) (all []record, end lsn) {
	s.w.t.Helper()
	all, end, why := s.quietly(timeline, from)
	s.w.t.Logf("%s: timeline %d from %s: %d records, to %s: %v", s.name, timeline, from, len(all), end, why)
	return all, end
}

// quietly is records, without a line in the log.
func (s *server) quietly(timeline int, from lsn) (all []record, end lsn, why error) {
	s.w.t.Helper()
	r := reader{dir: s.DataDir, timeline: timeline}
	for end = from; ; {
		rec, err := r.read(end)
		if err == nil && len(all) > 0 && rec.prev != all[len(all)-1].at {
			err = fmt.Errorf("a record at %s that comes after one at %s: %w", rec.at, rec.prev, errEnd)
		}
		if errors.Is(err, errEnd) {
			return all, end, err
		}
		must(s.w.t, err)
		all = append(all, rec)
		end = rec.end
	}
}

// reader reads WAL of one timeline, and keeps the segment that it read last.
type reader struct {
	dir      string
	timeline int
	name     string
	data     []byte
}

func (r *reader) read(at lsn) (record, error) {
	if at%pageSize == 0 {
		at += header(at)
	}
	head, _, err := r.take(at, 4)
	if err != nil {
		return record{}, err
	}
	length := int(binary.LittleEndian.Uint32(head))
	if length < recordHeader {
		return record{}, fmt.Errorf("a record of %d bytes at %s: %w", length, at, errEnd)
	}
	data, end, err := r.take(at, length)
	if err != nil {
		return record{}, err
	}
	rec := record{at: at, prev: lsn(binary.LittleEndian.Uint64(data[8:])), info: data[16], rmgr: data[17],
		crc: binary.LittleEndian.Uint32(data[20:]), end: (end + 7) &^ 7}
	table := crc32.MakeTable(crc32.Castagnoli)
	if sum := crc32.Update(crc32.Checksum(data[recordHeader:], table), table, data[:20]); sum != rec.crc {
		return record{}, fmt.Errorf("a wrong checksum at %s: %w", at, errEnd)
	}
	if rec.is(walSwitch) && rec.end%segmentSize != 0 {
		rec.end += segmentSize - rec.end%segmentSize
	}
	return rec, nil
}

// take reads n bytes of a record, over as many pages as they lie on, and says where
// they end.
func (r *reader) take(at lsn, n int) (data []byte, end lsn, err error) {
	for n > 0 {
		page, err := r.page(at - at%pageSize)
		if err != nil {
			return nil, 0, err
		}
		if at%pageSize == 0 {
			if rest := binary.LittleEndian.Uint32(page[16:]); page[2]&firstIsContinued == 0 || int(rest) != n {
				return nil, 0, fmt.Errorf("a page at %s that does not go on with a record of %d bytes more: %w", at, n, errEnd)
			}
			at += header(at)
		}
		part := page[at%pageSize:]
		part = part[:min(n, len(part))]
		data, n, at = append(data, part...), n-len(part), at+lsn(len(part))
	}
	return data, at, nil
}

func (r *reader) page(at lsn) ([]byte, error) {
	if name := segment(r.timeline, at); name != r.name {
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) != segmentSize {
			return nil, fmt.Errorf("no whole file %s: %w", name, errEnd)
		} else if err != nil {
			return nil, err
		}
		r.name, r.data = name, data
	}
	page := r.data[at.inSegment():][:pageSize]
	if lsn(binary.LittleEndian.Uint64(page[8:])) != at {
		return nil, fmt.Errorf("no page of %s: %w", at, errEnd)
	}
	return page, nil
}

// header is the length of the header of the page that begins at l.
func header(l lsn) lsn {
	if l%segmentSize == 0 {
		return longHeader
	}
	return shortHeader
}

// get reads a file of the data directory; has says whether it is there.
func (s *server) get(name string) []byte {
	s.w.t.Helper()
	data, err := os.ReadFile(s.File(name))
	must(s.w.t, err)
	return data
}

func (s *server) has(name string) bool {
	s.w.t.Helper()
	_, err := os.Lstat(s.File(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.w.t.Fatal(err)
	}
	return err == nil
}

// put writes a file of the data directory, whole or not at all.
func (s *server) put(name string, data []byte) {
	s.w.t.Helper()
	info, err := os.Stat(s.DataDir)
	must(s.w.t, err)
	owner := info.Sys().(*syscall.Stat_t)
	path := s.File(name)
	must(s.w.t, os.WriteFile(path+".new", data, 0o600))
	must(s.w.t, os.Chown(path+".new", int(owner.Uid), int(owner.Gid)))
	must(s.w.t, os.Rename(path+".new", path))
}

func (s *server) remove(name string) { s.w.t.Helper(); must(s.w.t, os.Remove(s.File(name))) }

// putWAL gives the server the WAL of another one from the beginning of the segment of
// from up to end, as a walreceiver leaves it that was cut there.
func (s *server) putWAL(other *server, timeline int, from, end lsn) {
	s.w.t.Helper()
	for at := from - from%segmentSize; at < end; at += segmentSize {
		data := other.get(segment(timeline, at))
		if at+segmentSize > end {
			clear(data[end.inSegment():])
		}
		s.put(segment(timeline, at), data)
	}
}
