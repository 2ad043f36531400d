package node

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgraft/pgraft/core/corepb"
)

// Every body that a message can have goes to the core but those that hosts
// exchange; none is mistaken for another when fields are added.
func TestIsHosts(t *testing.T) {
	bodies := (*corepb.Envelope)(nil).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range bodies.Len() {
		f := bodies.Get(i)
		env := &corepb.Envelope{From: 1<<32 | 1, To: 2<<32 | 2, LeaseRound: &corepb.LeaseRound{Round: 7}}
		m := env.ProtoReflect()
		m.Set(f, protoreflect.ValueOfMessage(m.NewField(f).Message()))
		data, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Contains([]protoreflect.Name{"history", "history_request", "apply_needs", "table_state_request", "table_state"}, f.Name())
		if got := isHosts(data); got != want {
			t.Errorf("isHosts of a %s is %v", f.Name(), got)
		}
	}
	for _, data := range [][]byte{nil, {0xff}, {0x08}} {
		if isHosts(data) {
			t.Errorf("isHosts(%x) is true", data)
		}
	}
}
