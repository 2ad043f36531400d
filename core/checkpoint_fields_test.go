package core

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/pgraft/pgraft/core/checkpoint"
)

// derived are the fields that a checkpoint leaves out, and why.
var derived = map[string]string{
	"Config.Seed":        "looked at when a core starts, never later",
	"Core.library":       "code, not state",
	"Core.out":           "empty between two Steps",
	"Core.batch":         "empty between two Steps",
	"Core.appends":       "empty between two Steps",
	"Core.growing":       "empty between two Steps",
	"Machine.taken":      "empty between two Steps",
	"Core.received":      "forgotten before each input",
	"Core.sent":          "forgotten before each Ready",
	"roundAnswers.from":  "the key",
	"peer.id":            "the key",
	"Core.cause":         "forgotten at the start of each Step",
	"rawNode.prop":       "empty between two Steps",
	"rawNode.idle":       "false lets the library say it",
	"rawNode.raw":        "compared by the test in core/checkpoint",
	"machine.failover":   "in a cluster of failover's version: TestFailoverInCheckpoint",
	"failing.partakers":  "on a node that takes no part: TestFailoverTakesNoPart",
	"requestIDs.window":  "of the configuration",
	"requestIDs.seed":    "of the configuration, and not seen from outside",
	"requestIDs.ids":     "its list is, see TestRequestIDs",
	"requestIDs.first":   "its list is",
	"requestIDs.next":    "its list is",
	"requestIDs.slots":   "made of its list",
	"requestIDs.encoded": "made of its list",
	"requestIDs.pending": "made of its list",
	"proposals.open":     "made of order",
	"storage.lookedAt":   "0 lets it be looked again",
	"tail.bytes":         "made of entries and dropped",
}

// filler puts a value into every field of the core's own state, in order, and
// another value into one of them.
type filler struct {
	t       *testing.T
	other   int // number of the field that gets the other value
	n       int // fields filled so far
	names   []string
	unknown map[string]bool
}

func (f *filler) fill(v reflect.Value, name string) {
	number := uint64(1)
	switch v.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
	default:
		if f.names = append(f.names, name); f.n == f.other {
			number = 2
		}
		f.n++
		if name == "Config.Newest" { // older ones have no failover
			number += FailoverVersion
		}
	}
	switch v.Kind() {
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(number)
	case reflect.Int:
		v.SetInt(int64(number))
	case reflect.Bool:
		v.SetBool(number == 2)
	case reflect.String:
		v.SetString(string(rune('a' + number)))
	case reflect.Array:
		f.fill(v.Index(v.Len()-1), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), name)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, name+" key")
		f.fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name)
	case reflect.Struct:
		f.fillStruct(v)
	default:
		f.t.Fatalf("%s is a %v, which this test does not know", name, v.Kind())
	}
}

func (f *filler) fillStruct(v reflect.Value) {
	if own := reflect.TypeFor[Core]().PkgPath(); v.Type().PkgPath() != own && v.Type().PkgPath() != own+"/retain" { // a protobuf message
		if field := v.FieldByName("Index"); field.IsValid() {
			f.fill(field, v.Type().String())
		}
		return
	}
	for i := range v.NumField() {
		name := v.Type().Name() + "." + v.Type().Field(i).Name
		if _, ok := derived[name]; ok {
			f.unknown[name] = false
			continue
		}
		field := v.Field(i)
		f.fill(reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem(), name)
	}
}

// A field that is added to the core's state and forgotten in its checkpoints
// fails here: change one field, and the checkpoint must change.
func TestCheckpointHasEveryField(t *testing.T) {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	c, err := New(Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 10}, Bootstrap(id, "h", 1, OldestVersion))
	if err != nil {
		t.Fatal(err)
	}
	if c.library, err = checkpoint.Open(); err != nil {
		t.Fatal(err)
	}
	write := func(f *filler) []byte {
		f.t, f.unknown = t, map[string]bool{}
		f.fill(reflect.ValueOf(c).Elem(), "Core")
		k := checkpoint.Writer(nil)
		c.state(k)
		if err := k.Err(); err != nil {
			t.Fatal(err)
		}
		return k.Bytes()
	}
	all := &filler{other: -1}
	want := write(all)
	for i, name := range all.names {
		if bytes.Equal(write(&filler{other: i}), want) {
			t.Errorf("%s (number %d) is not in the checkpoint", name, i)
		}
	}
	for name := range derived {
		if _, ok := all.unknown[name]; !ok {
			t.Errorf("%s is no field any more", name)
		}
	}
	for _, name := range []string{"Core.now", "openRound.round", "read.index", "transfer.target", "FailoverConfig.Boot", "tail.dropped", "giving.until"} {
		if !slices.Contains(all.names, name) {
			t.Errorf("%s was not looked at", name)
		}
	}
	t.Logf("%d fields", len(all.names))
}
