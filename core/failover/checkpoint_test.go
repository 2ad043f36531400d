package failover

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/pgraft/pgraft/core/checkpoint"
)

// fill puts a value of its own into every field, however deep.
func fill(t *testing.T, v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Uint8:
		v.SetUint(*n % 200)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(*n)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(string(rune('a' + *n%26)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			fill(t, reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem(), n)
		}
	default:
		t.Fatalf("a %v, which this test does not know", v.Kind())
	}
}

func copyOf(m *Machine) (*Machine, error) {
	k := checkpoint.Writer(nil)
	m.State(k)
	c := &Machine{}
	r := checkpoint.Reader(k.Bytes())
	c.State(r)
	return c, r.Err()
}

// A field that is forgotten in a checkpoint is zero after it.
func TestCheckpointHasEveryField(t *testing.T) {
	var m Machine
	var n uint64
	fill(t, reflect.ValueOf(&m).Elem(), &n)
	c, err := copyOf(&m)
	if err != nil || !reflect.DeepEqual(&m, c) {
		t.Errorf("%v\n%+v came back as\n%+v", err, m, *c)
	}
	if n < 100 {
		t.Errorf("%d fields were looked at", n)
	}
	empty, err := copyOf(&Machine{})
	if err != nil || !reflect.DeepEqual(empty, &Machine{}) {
		t.Errorf("an empty machine came back as %+v: %v", empty, err)
	}
}
