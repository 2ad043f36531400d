package failover

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// rewrite says whether files of testdata are to be written anew: the flag is package
// datadriven's.
func rewrite() bool { return flag.Lookup("rewrite").Value.String() == "true" }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// f1Table prints all rows of F1.
func f1Table() string {
	var b strings.Builder
	b.WriteString("# F1, made by go test ./core/failover -rewrite: what is decided before a commit.\n" +
		"# verdict: 0 go, 1 wait, 2 refuse\n" +
		"# failover joined quarantined primary open lease switchover founding waited verdict\n")
	for n := range 1 << 9 {
		at := func(i int) bool { return n>>(8-i)&1 == 1 }
		f := F1{Failover: at(0), Joined: at(1), Quarantined: at(2), Primary: at(3), Open: at(4), Lease: at(5),
			Switchover: at(6), Founding: at(7), Waited: at(8)}
		for i := range 9 {
			fmt.Fprintf(&b, "%d ", bit(at(i)))
		}
		fmt.Fprintf(&b, "%d\n", f.Verdict())
	}
	return b.String()
}

// f3Table prints all rows of F3 for sets of up to two.
func f3Table() string {
	var b strings.Builder
	b.WriteString("# F3, made by go test ./core/failover -rewrite: what is decided before an acknowledgement.\n" +
		"# verdict: 0 ack, 1 hold, 2 over, 3 restart\n" +
		"# failover over open flushed w counted pending next_w next beyond lease same verdict\n")
	for n := range 1 << 7 {
		at := func(i int) bool { return n>>(6-i)&1 == 1 }
		for c := range 9 {
			for p := range 10 {
				f := F3{Failover: at(0), Over: at(1), Open: at(2), Flushed: at(3), W: uint32(c / 3), Counted: uint32(c % 3), Beyond: at(4), Lease: at(5), Same: at(6)}
				if p > 0 {
					f.Pending, f.NextW, f.Next = true, uint32((p-1)/3), uint32((p-1)%3)
				}
				fmt.Fprintf(&b, "%d %d %d %d %d %d %d %d %d %d %d %d %d\n", bit(f.Failover), bit(f.Over), bit(f.Open), bit(f.Flushed),
					f.W, f.Counted, bit(f.Pending), f.NextW, f.Next, bit(f.Beyond), bit(f.Lease), bit(f.Same), f.Verdict())
			}
		}
	}
	return b.String()
}

// The tables are what the extension's C is tested against.
func TestFenceTables(t *testing.T) {
	for name, table := range map[string]string{"f1.txt": f1Table(), "f3.txt": f3Table()} {
		wantTable(t, name, table)
	}
}

// wantTable compares a table with the one in testdata, or writes that anew.
func wantTable(t *testing.T, name, table string) {
	t.Helper()
	path := "../../testdata/failover/" + name
	if rewrite() {
		if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(was) != table {
		t.Errorf("%s is another table: go test ./core/failover -run %s -rewrite, and read the difference", path, t.Name())
	}
}

// What each row must never say, in the words of the promises.
func TestFencePromises(t *testing.T) {
	rows := func(table string, fields int) (out [][]int) {
		for line := range strings.Lines(table) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			row := make([]int, fields)
			for i, f := range strings.Fields(line) {
				if _, err := fmt.Sscan(f, &row[i]); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
			}
			out = append(out, row)
		}
		return out
	}
	f1 := rows(f1Table(), 10)
	if len(f1) != 512 {
		t.Fatalf("F1 has %d rows", len(f1))
	}
	for _, r := range f1 {
		failover, joined, quarantined, primary, open, lease, switchover := r[0], r[1], r[2], r[3], r[4], r[5], r[6]
		may := failover == 0 || joined+primary+open+lease == 4 && quarantined+switchover == 0
		if may != (r[9] == int(Go)) {
			t.Errorf("F1 of %v: go is %v", r[:9], may)
		}
		if r[9] == int(Wait) && r[8] == 1 && r[7] == 0 {
			t.Errorf("F1 of %v waits longer than fence_wait", r[:9])
		}
	}
	f3 := rows(f3Table(), 13)
	if len(f3) != 128*9*10 {
		t.Fatalf("F3 has %d rows", len(f3))
	}
	for _, r := range f3 {
		covered := r[2] == 1 && r[3] == 1 && r[5] >= r[4] && (r[6] == 0 || r[8] >= r[7]) && r[9] == 0 && r[10] == 1
		may := r[0] == 0 || r[1] == 0 && covered && r[11] == 1
		if may != (r[12] == int(Ack)) {
			t.Errorf("F3 of %v: an acknowledgement is %v", r[:12], may)
		}
		if r[12] == int(Over) && (r[0] == 0 || r[1] == 0) {
			t.Errorf("F3 of %v ends a connection in an epoch that goes on", r[:12])
		}
	}
}
