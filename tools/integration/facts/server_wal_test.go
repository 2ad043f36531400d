//go:build integration

package facts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

const alone = "1@0/0" // the history of timeline 1

// What it reports is durable, and End is the end of valid WAL: whatever is cut off, the
// last whole record is found, as pg_waldump finds it, and this package's own reader.
func walEnds(w *world) {
	a, b := w.a, w.standby("B", nil)
	w.start(a, b)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 300)")
	b.catchUp(a)
	b.seal()
	b.freezeIdle()
	a.sql("INSERT INTO t SELECT generate_series(1, 300)")
	a.sql(bigRecord)
	a.sql("SELECT pg_switch_wal()")
	a.sql("INSERT INTO t VALUES (1)")
	records, last := a.records(1, from)
	a.wantEnd(from, alone, 1, records...)

	var cuts []lsn
	for i, r := range records {
		if n := len(records); i%80 == 0 || i > n-8 {
			cuts = append(cuts, r.at+1, r.at+recordHeader, r.end-8)
			for page := r.at - r.at%pageSize + pageSize; page < r.end && page < last; page += 48 * pageSize {
				cuts = append(cuts, page, page+5, page+shortHeader+1)
			}
			cuts = append(cuts, r.end)
		}
	}
	torn := 0
	for i, cut := range cuts {
		if cut > last {
			continue // within the zeros behind a switch
		}
		b.putWAL(a, 1, from, cut)
		found, _, _ := b.quietly(1, from)
		whole := upTo(records, cut)
		if len(found) < len(whole) || len(found) > len(whole)+1 { // the last one's padding may be cut
			w.t.Fatalf("cut at %s this test's reader finds %d records, want %d", cut, len(found), len(whole))
		}
		if len(found) > 0 && found[len(found)-1].end < cut {
			torn++
		}
		b.wantEnd(from, alone, 1, found...)
		if i%17 == 0 {
			b.wantWaldump(from, found)
		}
	}
	w.t.Logf("%d cuts, %d of them within a record", len(cuts), torn)
	if torn < 40 {
		w.t.Errorf("of %d cuts %d are within a record", len(cuts), torn)
	}
}

var waldumpLSN = regexp.MustCompile(`(?m)^rmgr: .* lsn: ([0-9A-F]+/[0-9A-F]+), prev `)

// wantWaldump compares records with what pg_waldump prints, where there is one.
func (s *server) wantWaldump(from lsn, records []record) {
	s.w.t.Helper()
	program := filepath.Join(s.w.pg.install.BinDir, "pg_waldump")
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		return
	}
	cmd := exec.Command(program, "-p", s.File("pg_wal"), "-t", "1", "-s", from.String())
	out, err := cmd.CombinedOutput() // it says with an error where WAL ends
	found := waldumpLSN.FindAllSubmatch(out, -1)
	if len(found) != len(records) {
		s.w.t.Fatalf("pg_waldump prints %d records, want %d: %v\n%s", len(found), len(records), err, bytes.Join(bytes.SplitAfter(out, []byte("\n")), nil))
	}
	if n := len(found); n > 0 {
		if l, err := parseLSN(string(found[n-1][1])); err != nil || l != records[n-1].at {
			s.w.t.Errorf("pg_waldump ends with the record at %s (%v), want %s", l, err, records[n-1].at)
		}
	}
}

// A recycled segment holds records of before, and one that lies where the next one would
// begin is valid by itself. It names another one before it. So reading begins at the
// last record that is known, never at its end.
func staleRecord(w *world) {
	a := w.a
	w.start(a)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t VALUES (1)")
	records, end := a.records(1, from)
	// Timeline 9 is a name for the file alone: its bytes are read as they are.
	a.putStale(9, end, a.get(segment(1, end)))
	if got := a.validEnd(from, "9@0/0"); got.end != end || got.crc != records[len(records)-1].crc {
		w.t.Errorf("from a known record WAL ends at %s, want %s", got.end, end)
	}
	if got := a.validEnd(end, "9@0/0"); got.end != end+recordHeader {
		w.t.Errorf("from the last one's end WAL ends at %s: the stale record is not seen, so this test shows nothing", got.end)
	}
}

// putStale writes the segment of an LSN with a record there that is valid by itself, and
// does not follow the one before.
func (s *server) putStale(timeline int, at lsn, data []byte) {
	s.w.t.Helper()
	stale := make([]byte, recordHeader)
	binary.LittleEndian.PutUint32(stale, recordHeader)
	binary.LittleEndian.PutUint64(stale[8:], uint64(at-lsn(at.inSegment())-segmentSize+longHeader)) // as of an LSN before
	stale[16] = 0x20                                                                                // XLOG_NOOP
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(stale[20:], crc32.Checksum(stale[:20], table))
	clear(data[copy(data[at.inSegment():], stale)+at.inSegment():])
	s.put(segment(timeline, at), data)
}

// Each LSN is read from the file of the timeline that owns it: the half-received first
// segment of a fork does not end WAL early. A seal puts it aside, with the history file,
// and then a promotion begins where WAL ends.
func endBesideShortSegment(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	cut, fork := w.shortSegment(b, d)
	d.freezeIdle()
	from := cut - lsn(cut.inSegment())
	both := fmt.Sprintf("1@0/0,2@%s", fork)
	records, end := d.records(1, from)
	if end != fork {
		w.t.Fatalf("D's timeline 1 ends at %s, want %s", end, fork)
	}
	d.wantEnd(from, alone, 1, records...)
	d.wantEnd(from, both, 1, records...)
	d.want("SELECT server_history(2)", both)
	d.want("SELECT server_last_timeline()", "1")

	// With the fork's first record torn it is the same, or with one that does not follow the
	// parent's last one, as of a recycled file; and whole it is not.
	forked, _ := b.records(2, fork)
	d.putStale(2, fork, b.get(segment(2, fork)))
	d.want("SELECT server_last_timeline()", "1")
	d.wantEnd(from, both, 1, records...)
	d.putWAL(b, 2, from, fork+20)
	d.want("SELECT server_last_timeline()", "1")
	d.wantEnd(from, both, 1, records...)
	d.want(fmt.Sprintf("SELECT server_first('%s')", both), "none")
	d.putWAL(b, 2, from, forked[0].end)
	d.want("SELECT server_last_timeline()", "2")
	d.want(fmt.Sprintf("SELECT server_first('%s')", both), fmt.Sprintf("%s %s %08x 2", fork, forked[0].end, forked[0].crc))
	d.wantEnd(from, both, 2, append(records[:len(records):len(records)], forked[0])...)

	d.putWAL(b, 2, from, cut)
	d.want("SELECT server_highest()", "2")
	d.sql("SELECT server_put_aside(2)")
	d.sql("SELECT server_put_aside(2)") // again, as of an order that was given again
	d.want("SELECT server_highest()", "1")
	if d.has(historyFile(2)) || d.has(segment(2, cut)) || !d.has(segment(2, cut)+".aside") {
		w.t.Error("D's files of timeline 2 are not put aside")
	}
	// Recovery had aimed at timeline 2: it begins anew.
	d.die()
	d.bootAs(nil)
	if got := d.promote(); got != fork {
		w.t.Errorf("D's fork begins at %s, want %s", got, fork)
	}
	d.want("SELECT count(*) FROM t WHERE i = -7", "1")
}

// Where the owner's file is gone, a descendant's copy does that is valid past the fork. A
// copy that was cut before that does not count, for a seal puts it aside.
func endFromCopies(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	cut, fork := w.shortSegment(b, d)
	d.freezeIdle()
	first, from := d.redo(), cut-lsn(cut.inSegment())
	both := fmt.Sprintf("1@0/0,2@%s", fork)
	records, _ := d.records(1, from)
	forked, end := b.records(2, fork)
	before, _ := d.records(1, first)
	before = upTo(before, from)

	owner := segment(1, fork)
	whole := d.get(owner)
	d.remove(owner)
	d.wantEnd(first, both, 1, before...)
	d.putWAL(b, 2, from, fork+20)
	d.wantEnd(first, both, 1, before...)
	d.wantEnd(from, both, 0)
	d.putWAL(b, 2, from, end)
	all := append(append(before[:len(before):len(before)], records...), forked...)
	d.wantEnd(first, both, 2, all...)
	// The answer about a record within the copy rests on what is behind it, too.
	r := records[len(records)/2]
	d.want(fmt.Sprintf("SELECT server_record_ending('%s', 1, '%s', '%s')", r.end, both, end), fmt.Sprintf("%s %s %08x 1", r.at, r.end, r.crc))
	d.putWAL(b, 2, from, fork+20)
	d.want(fmt.Sprintf("SELECT server_record_ending('%s', 1, '%s', '%s')", r.end, both, end), "not there")

	d.put(owner+".partial", whole)
	d.wantEnd(first, both, 1, all[:len(before)+len(records)]...)
	d.putWAL(b, 2, from, end)
	d.wantEnd(first, both, 2, all...)
}

// With archive_mode a promotion renames the parent's last segment: each LSN is read from
// its owner's .partial then, also of a page that lies on both sides of the fork.
func endFromPartial(w *world) {
	a, b := w.a, w.standby("B", nil)
	must(w.t, b.Set(map[string]string{"archive_mode": "on", "archive_command": "true"}))
	w.start(a, b)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 1000)")
	b.catchUp(a)
	b.seal()
	records, _ := b.records(1, from)
	fork := b.promote()
	b.checkpointed(2)
	b.sql("INSERT INTO t VALUES (1)")
	forked, _ := b.records(2, fork)
	if !b.has(segment(1, fork)+".partial") || b.has(segment(1, fork)) {
		w.t.Fatal("B has renamed nothing to .partial")
	}
	both := fmt.Sprintf("1@0/0,2@%s", fork)
	b.wantEnd(from, both, 2, append(records, forked...)...)
	// The copy below the fork is not looked at.
	name := segment(2, fork)
	data := b.get(name)
	clear(data[from.inSegment()+pageSize : fork.inSegment()-fork.inSegment()%pageSize])
	b.put(name, data)
	b.wantEnd(from, both, 2, append(records, forked...)...)
}

// A seal leaves no half record that fills its segment: recovery would hold it, and end with
// a PANIC once the next segment of a fork comes. It is seen, and zeros let go of it.
func halfToABoundary(w *world) {
	b, d := w.standby("B", nil), w.standby("D", nil)
	must(w.t, d.Set(w.preloaded()))
	fork, boundary := w.boundary(b, d)
	d.bootAs(nil)
	d.until(idle, "RecoveryRetrieveRetryInterval")
	from := d.redo()
	records, _ := d.records(1, from)
	got := d.wantEnd(from, alone, 1, records...)
	if !got.half || got.end != fork {
		w.t.Errorf("D's WAL ends with %+v, want half a record at %s", got, fork)
	}
	d.die()
	d.set("server_test.cut", fmt.Sprintf("%s %s", alone, fork))
	d.bootAs(nil)
	if got := d.validEnd(from, alone); got.half || got.end != fork {
		w.t.Errorf("cut, D's WAL ends with %+v", got)
	}
	b.sql("SELECT pg_switch_wal()")
	b.sql("INSERT INTO t VALUES (2)")
	if b.flushed() <= boundary {
		w.t.Fatalf("B is at %s, not past %s", b.flushed(), boundary)
	}
	d.follow(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
}

// A segment is missing behind which there is WAL of the same history: the data is not what
// it was. What is ahead, and was recycled or is another timeline's, does not count.
func holeInWAL(w *world) {
	a, b := w.a, w.standby("B", nil)
	w.start(a, b)
	var starts []lsn
	for range 4 {
		a.sql("SELECT pg_switch_wal()")
		starts = append(starts, a.inserted())
		a.sql("INSERT INTO t VALUES (1)")
	}
	b.catchUp(a)
	b.seal()
	b.freezeIdle()
	end := b.validEnd(starts[0], alone).end
	hole := func(want string) {
		w.t.Helper()
		b.want(fmt.Sprintf("SELECT server_hole('%s', '%s')", alone, b.validEnd(starts[0], alone).end), want)
	}
	hole("f")
	b.put(segment(1, end+3*segmentSize), b.get(segment(1, starts[0]))) // as recycled
	hole("f")
	b.put(segment(2, end+3*segmentSize), b.get(segment(1, starts[0])))
	hole("f")
	kept := b.get(segment(1, starts[2]))
	b.remove(segment(1, starts[2]))
	if got, want := b.validEnd(starts[0], alone).end, starts[2]-lsn(starts[2].inSegment()); got != want {
		w.t.Errorf("WAL ends at %s, want %s", got, want)
	}
	hole("t")
	b.put(segment(1, starts[2])+".partial", kept)
	hole("f")
}

// Compared.Have says that the WAL could be read, record by record, to where the follower's
// last record ends; Equal, that the same record ends there.
func recordEndings(w *world) {
	a := w.a
	w.start(a)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 200)")
	a.sql(bigRecord)
	a.sql("INSERT INTO t VALUES (1)")
	records, end := a.records(1, from)
	ask := func(at lsn, timeline int, limit lsn) string {
		w.t.Helper()
		return a.sql(fmt.Sprintf("SELECT server_record_ending('%s', %d, '%s', '%s')", at, timeline, alone, limit))
	}
	asked := 0
	for i, r := range records {
		if i%10 > 0 && i < len(records)-6 {
			continue
		}
		asked++
		if got, want := ask(r.end, 1, end), fmt.Sprintf("%s %s %08x 1", r.at, r.end, r.crc); got != want {
			w.t.Errorf("the record at %s: %q, want %q", r.at, got, want)
		}
		if got := ask(r.end-8, 1, end); got != "none ends" && r.end-8 > r.at {
			w.t.Errorf("within the record at %s: %q", r.at, got)
		}
	}
	if asked < 10 {
		w.t.Errorf("asked for %d records only", asked)
	}
	last := records[len(records)-1]
	for what, got := range map[string]string{
		"past the limit":      ask(last.end, 1, last.end-8),
		"past the end":        ask(last.end+8, 1, end+1000),
		"on another timeline": ask(last.end, 2, end),
		"at nothing":          ask(0, 1, end),
	} {
		if got != "not there" {
			w.t.Errorf("%s: %q", what, got)
		}
	}
	// The big record cannot be read without its middle.
	for _, r := range records {
		if r.end-r.at > 2*segmentSize {
			a.remove(segment(1, r.at+segmentSize))
			if got := ask(r.end, 1, end); got != "not there" {
				w.t.Errorf("without a segment of the record at %s: %q", r.at, got)
			}
		}
	}
}
