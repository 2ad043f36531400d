package replay

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// Whatever of the fence, or of what a host reports, is another is told apart by the words:
// a field that is new in either has to be said.
func TestWordsTellAll(t *testing.T) {
	shared := failover.Shared{Open: true}
	eachChange(t, shared, func(t *testing.T, name string, is failover.Shared) {
		if text := fence(is); text == fence(shared) {
			t.Errorf("with another %s it is %q still", name, text)
		}
	})
	for _, recovery := range []bool{false, true} {
		server := failover.Server{Recovery: recovery, Streaming: true, Follows: failover.Token{Epoch: 1}, Names: failover.Names{Epoch: 1}}
		// What only a server in recovery has, or only another.
		silent := map[string]bool{"Replayed": !recovery, "ReplayDone": !recovery, "Follows": !recovery, "Streaming": !recovery, "Lacks": !recovery, "Flushed": recovery, "Fork": recovery, "Quiet": recovery, "Founded": recovery, "Checkpoint": recovery, "Boots": recovery, "Ended": !recovery}
		eachChange(t, server, func(t *testing.T, name string, is failover.Server) {
			if was := ServerParts(&server); silent[name] != reflect.DeepEqual(ServerParts(&is), was) {
				t.Errorf("recovery %v: with another %s it is %v", recovery, name, ServerParts(&is))
			}
		})
	}
}

// eachChange calls f with copies of v, each with another value in one field.
func eachChange[T any](t *testing.T, v T, f func(t *testing.T, name string, changed T)) {
	t.Helper()
	for i := range reflect.TypeFor[T]().NumField() {
		is := v
		change(reflect.ValueOf(&is).Elem().Field(i))
		f(t, reflect.TypeFor[T]().Field(i).Name, is)
	}
}

// change makes v another value, in one of its fields if it is a struct.
func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		change(v.Field(0))
	case reflect.Slice:
		x := reflect.New(v.Type().Elem()).Elem()
		change(x)
		v.Set(reflect.Append(v, x))
	default:
		panic(fmt.Sprintf("a field of kind %v", v.Kind()))
	}
}
