package systems

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
)

// MaxBytes is the size of the largest value.
const MaxBytes = 1 << 20

// KeyBytes is the length of a key, which every value begins with.
const KeyBytes = 21

const maxSessions = 1000

// padding is what values are filled up with: text that does not compress, as some
// stores would otherwise write less than others.
var padding = sync.OnceValue(func() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 2*MaxBytes)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
})

// Ledger knows what a measurement wrote, and what of it was acknowledged. The n-th
// operation of session i writes Key(i, n) and Value(i, n). Each session may be used
// by a goroutine of its own.
type Ledger struct {
	name  string
	bytes int
	acked [][]bool // by session and operation: whether it was acknowledged
}

// NewLedger is of a new measurement: its keys are those of no other.
func NewLedger(sessions, bytes int) (*Ledger, error) {
	if sessions < 0 || sessions > maxSessions || bytes < KeyBytes || bytes > MaxBytes {
		return nil, fmt.Errorf("%d sessions and values of %d bytes: at most %d, and %d to %d", sessions, bytes, maxSessions, KeyBytes, MaxBytes)
	}
	return &Ledger{name: fmt.Sprintf("%08x", rand.Uint32()), bytes: bytes, acked: make([][]bool, sessions)}, nil
}

// Name is what all keys of the measurement begin with.
func (l *Ledger) Name() string { return l.name }

// Key is 8 hexadecimal digits, 3 of the session and 8 of the operation.
func (l *Ledger) Key(session, n int) string { return fmt.Sprintf("%s-%03d-%08d", l.name, session, n) }

// Value has the ledger's size and begins with the key.
func (l *Ledger) Value(session, n int) string { return value(l.Key(session, n), l.bytes) }

func value(key string, bytes int) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	at := int(h.Sum32() % MaxBytes)
	return key + padding()[at:at+bytes-len(key)]
}

// Wrote notes how the n-th operation of a session ended; operations are noted in
// order, from 0, none left out.
func (l *Ledger) Wrote(session, n int, acknowledged bool) {
	if n != len(l.acked[session]) {
		panic(fmt.Sprintf("session %d noted operation %d after %d others", session, n, len(l.acked[session])))
	}
	l.acked[session] = append(l.acked[session], acknowledged)
}

// Acknowledged counts the operations that were acknowledged.
func (l *Ledger) Acknowledged() int {
	all := 0
	for _, s := range l.acked {
		for _, ok := range s {
			if ok {
				all++
			}
		}
	}
	return all
}

// Inventory is what one server holds of a ledger's measurement.
type Inventory struct {
	ledger *Ledger
	found  [][]bool
}

// Inventory begins with nothing found.
func (l *Ledger) Inventory() *Inventory {
	v := &Inventory{ledger: l, found: make([][]bool, len(l.acked))}
	for i := range v.found {
		v.found[i] = make([]bool, len(l.acked[i]))
	}
	return v
}

// Found takes a value that a server holds, as its key and its MD5 in hexadecimal.
// One that another measurement wrote does not matter; one that nobody wrote, that is
// there twice or that is not as it was written is an error.
func (v *Inventory) Found(key, sum string) error {
	name, rest, _ := strings.Cut(key, "-")
	if name != v.ledger.name {
		return nil
	}
	var session, n int
	if _, err := fmt.Sscanf(rest, "%03d-%08d", &session, &n); err != nil || v.ledger.Key(session, n) != key ||
		session >= len(v.found) || n >= len(v.found[session]) {
		return fmt.Errorf("it holds %q, which was never written", key)
	}
	if v.found[session][n] {
		return fmt.Errorf("it holds %s twice", key)
	}
	if want := MD5(v.ledger.Value(session, n)); sum != want {
		return fmt.Errorf("the value of %s has the MD5 %s, %s was written", key, sum, want)
	}
	v.found[session][n] = true
	return nil
}

// Missing is an error if anything that was acknowledged was not found.
func (v *Inventory) Missing() error {
	missing, first := 0, ""
	for i, s := range v.ledger.acked {
		for n, ok := range s {
			if ok && !v.found[i][n] {
				if missing++; missing == 1 {
					first = v.ledger.Key(i, n)
				}
			}
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d acknowledged writes are not there, the first is %s", missing, v.ledger.Acknowledged(), first)
	}
	return nil
}

// MD5 is that of a value, in hexadecimal, as PostgreSQL's md5() gives it.
func MD5(value string) string {
	sum := md5.Sum([]byte(value))
	return hex.EncodeToString(sum[:])
}
