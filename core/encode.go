package core

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// marshal is the one way to bytes: deterministic within a build.
func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", m, err))
	}
	return b
}

// unmarshal is the one way back. The texts of protobuf's own errors differ from
// build to build, so none gets into what a core says.
func unmarshal(b []byte, m proto.Message) error {
	if proto.Unmarshal(b, m) != nil {
		return fmt.Errorf("%d bytes that are no %s", len(b), m.ProtoReflect().Descriptor().Name())
	}
	return nil
}
