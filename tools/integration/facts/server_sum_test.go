//go:build integration

package facts

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The evidence that is asked for when failover is enabled is a sum over all records between two
// places: any other record there, or a place where none begins or ends, has another or none. And
// WAL that is not durable is not counted as the end.
func walSums(w *world) {
	a := w.a
	w.start(a)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 200)")
	a.sql(bigRecord)
	a.sql("INSERT INTO t VALUES (1)")
	records, _ := a.records(1, from)
	if len(records) < 20 {
		w.t.Fatalf("A has written %d records only", len(records))
	}
	ask := func(from, to lsn) string {
		w.t.Helper()
		return a.sql(fmt.Sprintf("SELECT server_sum('%s', '%s', '%s')", from, to, alone))
	}
	for _, first := range []int{0, 1, len(records) / 2} {
		part := records[first:]
		for _, last := range []int{0, 7, len(part) - 1} {
			if got, want := ask(part[0].at, part[last].end), sum(part[:last+1]); got != want {
				w.t.Errorf("the %d records from %s on: %s, want %s", last+1, part[0].at, got, want)
			}
		}
	}
	last := records[len(records)-1]
	for what, got := range map[string]string{
		"from within a record": ask(records[3].at+8, last.end),
		"to within a record":   ask(records[3].at, last.end-8),
		"past the end":         ask(records[3].at, last.end+80000),
		"from what is gone":    ask(8*1024, last.end),
	} {
		if got != "none" {
			w.t.Errorf("%s: %s", what, got)
		}
	}
	for i, r := range records[:20] {
		for _, limit := range []lsn{r.end, r.end + 7} {
			got := a.sql(fmt.Sprintf("SELECT server_durable_end('%s', '%s', '%s')", from, limit, alone))
			if want := fmt.Sprintf("%s %s %08x 1", r.at, r.end, r.crc); got != want {
				w.t.Errorf("durable to %s, which is record %d: %q, want %q", limit, i, got, want)
			}
		}
	}
}

// sum is over the ends and the CRCs of records.
func sum(records []record) string {
	var b []byte
	for _, r := range records {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.end))
		b = binary.LittleEndian.AppendUint32(b, r.crc)
	}
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
