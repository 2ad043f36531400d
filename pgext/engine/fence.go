package main

// #include "engine.h"
import "C"

import (
	"strconv"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// fence is what the fence in each commit goes by.
type fence = C.PgraftFence

// fenceOf is what core has decided, as C reads it. primary is whose epoch it is, 0 if that is
// not known, and address where that one listens. A token of a member of neither set is left
// out: nothing counts it.
func fenceOf(s failover.Shared, primary uint64, address string) *fence {
	f := &fence{epoch: C.uint64_t(s.Epoch), boot: C.uint64_t(s.Boot), switchover: C.uint64_t(s.Switchover), decision: C.uint64_t(s.Decision),
		limit: C.uint64_t(s.Limit), failover: flag(s.Failover), joined: flag(s.Joined), quarantined: flag(s.Quarantined), founding: flag(s.Founding),
		primary: flag(s.Primary), open: flag(s.Open), reads: flag(s.Reads), lease_counts: flag(s.LeaseCounts), limited: flag(s.Limited),
		pending: flag(s.Next != nil), w: C.uint32_t(s.Set.W)}
	if s.Next != nil {
		f.next_w = C.uint32_t(s.Next.W)
	}
	for _, t := range s.Tokens {
		var in C.uint64_t
		if s.Set.Has(t.Member) {
			in = C.PGRAFT_IN_SET
		}
		if s.Next != nil && s.Next.Has(t.Member) {
			in |= C.PGRAFT_IN_NEXT
		}
		if in != 0 {
			f.counted[f.ncounted] = C.PgraftCounted{token: tokenOf(t), in: in}
			f.ncounted++
		}
	}
	f.primary_node = C.uint32_t(core.NodeID(primary))
	if len(address) < len(f.primary_address) {
		for i := range len(address) {
			f.primary_address[i] = C.char(address[i])
		}
	}
	return f
}

func tokenOf(t failover.Token) C.PgraftToken {
	return C.PgraftToken{epoch: C.uint64_t(t.Epoch), boot: C.uint64_t(t.Boot), member: C.uint64_t(t.Member), follow: C.uint64_t(t.Follow)}
}

func flag(b bool) C.uint32_t {
	if b {
		return 1
	}
	return 0
}

// slotName is the physical replication slot of a member, on every server.
func slotName(member uint64) string {
	return "pgraft_" + strconv.FormatUint(uint64(core.NodeID(member)), 10) + "_" + strconv.FormatUint(uint64(core.Incarnation(member)), 10)
}
