package systems

import (
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	l, err := NewLedger(2, 256)
	if err != nil {
		t.Fatal(err)
	}
	for n, ok := range []bool{true, false, true} {
		l.Wrote(0, n, ok)
	}
	l.Wrote(1, 0, true)
	if l.Acknowledged() != 3 {
		t.Errorf("%d acknowledged, want 3", l.Acknowledged())
	}
	find := func(v *Inventory, session, n int) error {
		return v.Found(l.Key(session, n), MD5(l.Value(session, n)))
	}
	v := l.Inventory()
	for _, at := range [][2]int{{0, 0}, {1, 0}, {0, 2}} {
		if err := find(v, at[0], at[1]); err != nil {
			t.Error(err)
		}
	}
	if err := v.Missing(); err != nil {
		t.Errorf("what was not acknowledged need not be there: %v", err)
	}
	if err := find(v, 0, 1); err != nil {
		t.Errorf("what was not acknowledged may be there: %v", err)
	}
	other, err := NewLedger(1, 256)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Found(other.Key(0, 7), ""); err != nil {
		t.Errorf("another measurement's: %v", err)
	}
	for want, err := range map[string]error{
		"twice":             find(v, 0, 0),
		"never written":     find(v, 0, 3),
		"\", which was nev": v.Found(l.Name()+"-junk", ""),
		"which was never":   find(v, 2, 0),
		"was written":       l.Inventory().Found(l.Key(1, 0), MD5("damaged")),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	v = l.Inventory()
	if err := find(v, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := v.Missing(); err == nil || err.Error() != "2 of 3 acknowledged writes are not there, the first is "+l.Key(0, 2) {
		t.Errorf("%v", err)
	}
}

func TestValues(t *testing.T) {
	for _, bytes := range []int{KeyBytes, 256, MaxBytes} {
		l, err := NewLedger(1, bytes)
		if err != nil {
			t.Fatal(err)
		}
		a, b := l.Value(0, 1), l.Value(0, 2)
		if len(a) != bytes || a == b || !strings.HasPrefix(a, l.Key(0, 1)) || a != l.Value(0, 1) {
			t.Errorf("values of %d bytes: %d, %.40q and %.40q", bytes, len(a), a, b)
		}
	}
	for _, bytes := range []int{KeyBytes - 1, MaxBytes + 1} {
		if _, err := NewLedger(1, bytes); err == nil {
			t.Errorf("%d bytes were taken", bytes)
		}
	}
	if _, err := NewLedger(1001, 256); err == nil {
		t.Error("1001 sessions were taken")
	}
}
