package core

import (
	"bytes"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// Redaction takes users' data out of what is recorded and puts bytes of the same
// length in its place. The core looks at the length of users' data and at
// nothing else of it, so a core that is fed with redacted inputs gives, to the
// byte, the redacted outputs. Equal data must give equal bytes, as one entry
// comes by several times.

// RedactInput returns in with stand for each piece of user data. A message that
// cannot be read stays: it is none of pgraft's.
func RedactInput(in Input, stand func([]byte) []byte) Input {
	switch in := in.(type) {
	case Propose:
		in.Data = stand(in.Data)
		return in
	case Receive:
		in.Data = redactSent(in.Data, stand)
		return in
	}
	return in
}

// RedactOutput returns a copy of out with stand for each piece of user data.
func RedactOutput(out Output, stand func([]byte) []byte) Output {
	persist, send, apply := out.Persist, out.Send, out.Apply
	out.Persist, out.Send, out.Apply = nil, nil, nil
	for _, p := range persist {
		p.Entries = redactEntries(p.Entries, stand)
		out.Persist = append(out.Persist, p)
	}
	for _, s := range send {
		s.Data = redactSent(s.Data, stand)
		out.Send = append(out.Send, s)
	}
	for _, a := range apply {
		a.Data = stand(a.Data)
		out.Apply = append(out.Apply, a)
	}
	return out
}

// RedactDurable returns a copy of d with stand for each piece of user data.
// Snapshots have none.
func RedactDurable(d Durable, stand func([]byte) []byte) Durable {
	d.Entries = redactEntries(d.Entries, stand)
	return d
}

func redactEntries(es []Entry, stand func([]byte) []byte) []Entry {
	var l []Entry
	for _, e := range es {
		if e.Kind == EntryNormal {
			e.Data = redactCommand(e.Data, stand)
		}
		l = append(l, e)
	}
	return l
}

// redactCommand is for the data of a normal entry.
func redactCommand(data []byte, stand func([]byte) []byte) []byte {
	if len(data) == 0 {
		return data
	}
	own := bytes.Clone(data)
	cmd, err := decodeCommand(own)
	if err != nil {
		return data
	}
	copy(cmd.data, stand(cmd.data)) // shares own's memory
	return own
}

func redactSent(data []byte, stand func([]byte) []byte) []byte {
	var env corepb.Envelope
	if err := proto.Unmarshal(data, &env); err != nil {
		return data
	}
	if es := env.GetRaft().GetEntries(); len(es) == 0 && env.GetForward() == nil {
		return data
	}
	redactInPlace(&env, stand)
	return marshal(&env)
}

// redactInPlace changes m, which must be the caller's own copy.
func redactInPlace(m proto.Message, stand func([]byte) []byte) {
	switch m := m.(type) {
	case *corepb.Envelope:
		if m.GetRaft() != nil {
			redactInPlace(m.GetRaft(), stand)
		}
		if cmd := m.GetForward().GetCommand(); cmd != nil {
			redactInPlace(cmd, stand)
		}
	case *corepb.Command:
		m.Data = stand(m.Data)
	case *pb.Entry:
		if m.GetType() == pb.EntryNormal {
			m.Data = redactCommand(m.Data, stand)
		}
	case *pb.Message:
		for _, e := range m.GetEntries() {
			redactInPlace(e, stand)
		}
		for _, r := range m.GetResponses() {
			redactInPlace(r, stand)
		}
	}
}
