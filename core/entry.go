package core

import (
	"errors"
	"fmt"
	"math"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// An entry of the log holds a command of a user or an operator (corepb.Command), a change of the
// members (corepb.MemberChange, as the context of the library's), or nothing: a new
// leader's first.

// raft and fromRaft convert between the library's entry and the host's.
func (e Entry) raft() *pb.Entry {
	return &pb.Entry{Index: new(e.Index), Term: new(e.Term), Type: pb.EntryType(e.Kind).Enum(), Data: e.Data}
}

func fromRaft(e *pb.Entry) Entry {
	return Entry{Index: e.GetIndex(), Term: e.GetTerm(), Kind: EntryKind(e.GetType()), Data: e.GetData()}
}

func checkEntry(e *pb.Entry, newest uint32) error {
	switch e.GetType() {
	case pb.EntryNormal:
		if len(e.GetData()) == 0 {
			return nil
		}
		cmd, err := decodeCommand(e.GetData())
		if err == nil && cmd.version > newest {
			return fmt.Errorf("it raises the cluster to version %d, this pgraft knows up to %d: install a newer one", cmd.version, newest)
		}
		if err == nil && len(cmd.failover) > 0 {
			if newest < FailoverVersion {
				return fmt.Errorf("it is of failover, of version %d, this pgraft knows up to %d: install a newer one", FailoverVersion, newest)
			}
			_, err = failover.Unmarshal(cmd.failover)
		}
		return err
	case pb.EntryConfChangeV2:
		_, _, err := decodeChange(e.GetData())
		return err
	}
	return fmt.Errorf("type %v", e.GetType())
}

// command is a corepb.Command as it lies in an entry: data shares its memory,
// which never changes.
type command struct {
	requestID [16]byte
	since     uint64
	data      []byte
	version   uint32 // of the cluster, from here on; nothing else is set then
	failover  []byte // an entry of package failover; there is no data then
	asked     bool   // it has a request id: a user's, or an operator's
}

// decodeCommand reads a corepb.Command without allocating: every entry is looked
// at more than once on every node.
func decodeCommand(b []byte) (command, error) {
	var c command
	var requestID []byte
	var version uint64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return c, errors.New("not a command")
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.BytesType:
			requestID, n = protowire.ConsumeBytes(b)
		case num == 2 && typ == protowire.VarintType:
			c.since, n = protowire.ConsumeVarint(b)
		case num == 3 && typ == protowire.BytesType:
			c.data, n = protowire.ConsumeBytes(b)
		case num == 4 && typ == protowire.VarintType:
			version, n = protowire.ConsumeVarint(b)
		case num == 5 && typ == protowire.BytesType:
			c.failover, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return c, errors.New("not a command")
		}
		b = b[n:]
	}
	if version != 0 {
		if len(requestID) > 0 || len(c.data) > 0 || len(c.failover) > 0 || version > math.MaxUint32 {
			return c, fmt.Errorf("cluster version %d with a request id of %d bytes and %d bytes of data", version, len(requestID), len(c.data)+len(c.failover))
		}
		c.version = uint32(version)
		return c, nil
	}
	if len(c.failover) > 0 && len(c.data) > 0 {
		return c, fmt.Errorf("%d bytes of failover with %d bytes of data", len(c.failover), len(c.data))
	}
	if len(c.failover) > 0 && len(requestID) == 0 {
		return c, nil
	}
	if copy(c.requestID[:], requestID) != len(c.requestID) || len(requestID) != len(c.requestID) {
		return c, fmt.Errorf("command with a request id of %d bytes", len(requestID))
	}
	c.asked = true
	return c, nil
}

// UserData returns the user's bytes in a log entry; ok is false for entries of
// Raft's own and pgraft's (a new leader's first, membership, cluster version).
func UserData(e Entry) (data []byte, ok bool, err error) {
	if e.Kind != EntryNormal || len(e.Data) == 0 {
		return nil, false, nil
	}
	cmd, err := decodeCommand(e.Data)
	if err != nil {
		return nil, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return cmd.data, cmd.asked && len(cmd.failover) == 0, nil
}

// FailoverEntry returns the entry of package failover in a log entry; ok is false for
// all others.
func FailoverEntry(e Entry) (f failover.Entry, ok bool, err error) {
	if e.Kind != EntryNormal || len(e.Data) == 0 {
		return nil, false, nil
	}
	cmd, err := decodeCommand(e.Data)
	if err == nil && len(cmd.failover) > 0 {
		f, err = failover.Unmarshal(cmd.failover)
	}
	if err != nil {
		return nil, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return f, f != nil, nil
}

// Change returns what a membership entry does; ok is false for all others, and
// for the entry that ends a joint configuration.
func Change(e Entry) (ch *corepb.MemberChange, ok bool, err error) {
	if e.Kind != EntryConfChangeV2 {
		return nil, false, nil
	}
	_, ch, err = decodeChange(e.Data)
	if err != nil {
		return nil, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return ch, ch != nil, nil
}

// decodeChange takes a membership entry apart. The change is nil in the entry
// with which the library leaves a joint configuration.
func decodeChange(data []byte) (*pb.ConfChangeV2, *corepb.MemberChange, error) {
	var cc pb.ConfChangeV2
	if err := unmarshal(data, &cc); err != nil {
		return nil, nil, fmt.Errorf("not a membership change: %w", err)
	}
	if len(cc.GetContext()) == 0 {
		if len(cc.GetChanges()) > 0 {
			return nil, nil, errors.New("membership change without its context")
		}
		return &cc, nil, nil
	}
	var ch corepb.MemberChange
	if err := unmarshal(cc.GetContext(), &ch); err != nil {
		return nil, nil, fmt.Errorf("context of a membership change: %w", err)
	}
	if n := len(ch.GetClusterUuid()); ch.GetStep() == corepb.MemberChange_RECOVER && n != 16 {
		return nil, nil, fmt.Errorf("recovery with a cluster uuid of %d bytes", n)
	}
	return &cc, &ch, nil
}

// refusedByLibrary matches an entry that the library made empty in place of a
// membership change that it would not append.
func refusedByLibrary(e *pb.Entry) bool {
	return e.GetType() == pb.EntryNormal && len(e.GetData()) == 0
}
