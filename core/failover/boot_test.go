package failover

import (
	"fmt"
	"strings"
	"testing"
)

const bootFlags = 14

// foundRow is the row of the table with that number, its flags in the order of the fields.
func foundRow(n int) Found {
	at := func(i int) bool { return n>>(bootFlags-1-i)&1 == 1 }
	return Found{DataNote: at(0), StoreNote: at(1), Lowered: at(2), Marker: at(3), Doubted: at(4), Foreign: at(5), Label: at(6),
		Short: at(7), Below: at(8), Hole: at(9), StoreLost: at(10), WasPrimary: at(11), Unguarded: at(12), Granted: at(13)}
}

// bootTable prints all rows.
func bootTable() string {
	var b strings.Builder
	b.WriteString("# The boot, made by go test ./core/failover -rewrite: what a server does before recovery begins.\n" +
		"# flags, a digit each: data_note store_note lowered marker doubted foreign label short below hole store_lost was_primary unguarded granted\n" +
		"# role: 0 plain, 1 standby, 2 refused, 3 rejoin; joined; doubt: 0 none, 1 before, 2 foreign, 3 backup, 4 short, 5 below, 6 hole, 7 store;\n" +
		"# damage: 0 none, 4 started without the library, 6 its Raft store has lost data\n" +
		"# flags role joined doubt damage\n")
	for n := range 1 << bootFlags {
		v := foundRow(n).Verdict()
		fmt.Fprintf(&b, "%0*b %d %d %d %d\n", bootFlags, n, v.Role, bit(v.Joined), v.Doubt, v.Damage)
	}
	return b.String()
}

// The table is what the extension's C is tested against.
func TestBootTable(t *testing.T) {
	wantTable(t, "boot.txt", bootTable())
}

// What each row must never say, in the words of the promises.
func TestBootPromises(t *testing.T) {
	for n := range 1 << bootFlags {
		f := foundRow(n)
		v := f.Verdict()
		takesPart := f.DataNote || f.StoreNote
		wrong := func(what string) { t.Errorf("%+v: %s: %+v", f, what, v) }
		if f.Marker != (v.Role == BootRejoin) {
			wrong("data of a rejoin that did not end is never started, and no other is made anew at a boot")
		}
		if v.Role == BootPlain && takesPart {
			wrong("one note is enough: no primary boots unfenced")
		}
		if !takesPart && !f.Marker && v != (BootVerdict{}) {
			wrong("failover has nothing to do with a server that takes no part")
		}
		if v.Role == BootRefused && !f.Lowered || f.Lowered && v.Role == BootStandby {
			wrong("a standby boots with what recovery needs")
		}
		if v.Joined != (f.DataNote && f.StoreNote) {
			wrong("it has joined if both notes say so")
		}
		evidence := f.Doubted || f.Foreign || f.Label || f.Short || f.Below || f.Hole || f.StoreLost
		if v.Role == BootStandby && evidence != (v.Doubt != NoDoubt) {
			wrong("data that may have gone back is in doubt, and no other")
		}
		if (v.Damage == QuarantinedStoreLost) != (v.Doubt == DoubtStore) {
			wrong("a member whose Raft store has lost data is removed and joined anew")
		}
		if v.Damage != NotQuarantined && v.Damage != QuarantinedStoreLost && (v.Damage != QuarantinedUnguarded || !f.Unguarded && (!f.WasPrimary || f.Granted || f.Label || f.Foreign) || v.Role != BootStandby) {
			wrong("it is quarantined for writes of its own without the library")
		}
		if v.Role == BootStandby && (f.Unguarded || f.WasPrimary && !f.Granted && !f.Foreign && !f.Label) && v.Damage == NotQuarantined {
			wrong("writes without the library are not reported")
		}
	}
	for d := NoDoubt; d < doubts; d++ {
		if s := d.String(); s == "" || s == "unknown" {
			t.Errorf("doubt %d has no words", d)
		}
	}
}

// nonceStep is a rule for the next write of a renewal.
type nonceStep func(n Nonces, fresh uint64) (Nonces, bool)

// renewals goes through all ways in which each of so many starts renews the nonce, and
// dies between any two writes. each is called as a start begins, with the nonces that it
// finds, those of the data directory at the starts before, and which of these starts came
// to the end of its renewal.
func renewals(starts int, step nonceStep, each func(n Nonces, data []uint64, ended []bool)) {
	var walk func(n Nonces, data []uint64, ended []bool)
	walk = func(n Nonces, data []uint64, ended []bool) {
		each(n, data, ended)
		if len(data) == starts {
			return
		}
		fresh := uint64(len(data) + 1)
		data = append(data[:len(data):len(data)], n.Data)
		for now, more := n, true; ; {
			walk(now, data, append(ended[:len(ended):len(ended)], !more))
			if !more {
				return
			}
			now, more = step(now, fresh)
		}
	}
	walk(Nonces{}, nil, nil)
}

// A start that dies between any two writes of a nonce leaves a data directory that is
// known (ATTACK 23), and one that came to its end makes all older copies foreign (ATTACK 5).
func TestNonces(t *testing.T) {
	seen := 0
	renewals(5, Nonces.Renewed, func(n Nonces, data []uint64, ended []bool) {
		seen++
		if n.Foreign() {
			t.Fatalf("%+v: the data directory is foreign after %v", n, ended)
		}
		for i, old := range data {
			ends := false
			for _, e := range ended[i:] {
				ends = ends || e
			}
			if copied := (Nonces{old, n.Store, n.Next}); ends && !copied.Foreign() {
				t.Fatalf("%+v: a copy from before start %d is taken for the data directory: %v", copied, i+1, ended)
			}
		}
	})
	if seen < 300 {
		t.Errorf("only %d cases", seen)
	}
}

// Other orders of the writes do not do: each is found by the same walk.
func TestNoncesInOtherOrders(t *testing.T) {
	for name, step := range map[string]nonceStep{
		"the data directory first": func(n Nonces, fresh uint64) (Nonces, bool) {
			if n.Data != fresh {
				return Nonces{fresh, n.Store, n.Next}, true
			}
			return Nonces{fresh, fresh, 0}, false
		},
		"alone in the Raft store first": func(n Nonces, fresh uint64) (Nonces, bool) {
			if n.Store != fresh {
				return Nonces{n.Data, fresh, 0}, true
			}
			return Nonces{fresh, fresh, 0}, false
		},
		"never alone": func(n Nonces, fresh uint64) (Nonces, bool) {
			if n.Next != fresh {
				return Nonces{n.Data, n.Store, fresh}, true
			}
			return Nonces{fresh, n.Store, fresh}, false
		},
	} {
		found := false
		renewals(3, step, func(n Nonces, data []uint64, ended []bool) {
			found = found || n.Foreign()
			for i, old := range data {
				found = found || ended[i] && !(Nonces{old, n.Store, n.Next}).Foreign()
			}
		})
		if !found {
			t.Errorf("%s: nothing is wrong with it", name)
		}
	}
}

// Data that is made anew is foreign until the last write, and known from then on.
func TestNoncesOfDataMadeAnew(t *testing.T) {
	n := Nonces{Data: 77, Store: 3, Next: 4} // it has the nonce of its source
	for more := true; more; {
		if !n.Foreign() {
			t.Fatalf("%+v: known before it is whole", n)
		}
		n, more = n.Anew(9)
	}
	if n.Foreign() || n != (Nonces{Data: 9, Store: 9}) {
		t.Errorf("%+v in the end", n)
	}
}

// The floor is never past the end of valid WAL: a flush position is ordinarily (ATTACK 22).
func TestFloor(t *testing.T) {
	for _, c := range []struct {
		recovery        bool
		flushed, record uint64
		want            uint64 // 0: none
		why             string
	}{
		{true, 500, 400, 400, "what is not replayed may be half a record"},
		{true, 300, 400, 300, "what this boot's walreceiver has not flushed is not sure to be on the disk"},
		{true, 0, 400, 0, "no walreceiver has run in this boot"},
		{false, 500, 400, 400, "a primary's flush may be in the middle of a record"},
		{false, 400, 400, 400, "it has flushed the record"},
		{false, 300, 400, 0, "it has flushed half of it"},
	} {
		got, ok := Floor(c.recovery, 3, c.flushed, c.record)
		if ok != (c.want > 0) || ok && got != (Position{3, c.want}) {
			t.Errorf("%s: got %v, %v", c.why, got, ok)
		}
	}
}
