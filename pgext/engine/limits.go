package main

// #include "engine.h"
import "C"

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/node/recorder"
)

// What engine.h says for the shim, and core and node for whoever runs them. A
// difference does not compile: a map literal has no key twice.
var (
	_ = map[bool]bool{false: false, core.HeartbeatsPerElection == C.PGRAFT_HEARTBEATS_PER_ELECTION: true}
	_ = map[bool]bool{false: false, 2*failover.MaxSetMembers == C.PGRAFT_MAX_COUNTED: true}
	_ = map[bool]bool{false: false, node.MaxAddressBytes == C.PGRAFT_MAX_ADDRESS_BYTES: true}
	_ = map[bool]bool{false: false, recorder.MinBytes == C.PGRAFT_MIN_TRACE_BYTES: true}
	_ = map[bool]bool{false: false, health.EntriesWarning == C.PGRAFT_ENTRIES_WARNING: true}
	_ = map[bool]bool{false: false, health.WorkerState == C.PGRAFT_METRIC_WORKER_STATE: true}
	_ = map[bool]bool{false: false, health.ApplyLag == C.PGRAFT_METRIC_APPLY_LAG: true}
	_ = map[bool]bool{false: false, health.OK == C.PGRAFT_HEALTH_OK: true}
	_ = map[bool]bool{false: false, health.Warning == C.PGRAFT_HEALTH_WARNING: true}
	_ = map[bool]bool{false: false, health.Critical == C.PGRAFT_HEALTH_CRITICAL: true}
)
