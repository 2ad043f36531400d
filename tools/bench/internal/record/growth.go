package record

import "github.com/pgraft/pgraft/tools/internal/bench"

// Log is what a log of many entries costs.
type Log struct {
	FilledPerSecond float64 `json:"filled_per_second,omitempty"` // 0: it had its entries before
	DiskBytes       int64   `json:"disk_bytes"`                  // of the log store's files
	Node            Opened  `json:"node"`                        // a process with package node
	SQL             Opened  `json:"sql"`                         // a PostgreSQL server; its engine's memory
}

// Opened is a log after a restart.
type Opened struct {
	Answers float64       `json:"answers_seconds"` // from the start on, until its last entry was read
	Memory  int64         `json:"memory_bytes"`    // PSS then
	Reads   int           `json:"reads"`           // of random entries, by one session
	Get     bench.Latency `json:"get_ms"`
	After   int64         `json:"memory_after_reads_bytes"`
	Rested  int64         `json:"memory_rested_bytes,omitempty"` // once nothing was asked for a while
}

// Absence is a follower's that was away. Times are from the start of its server on.
type Absence struct {
	Missed    int           `json:"missed"`           // entries
	Missing   float64       `json:"missing_seconds"`  // how long they took
	Follows   float64       `json:"follows_seconds"`  // until it had the end of the log
	Complete  float64       `json:"complete_seconds"` // until it had every entry
	Before    bench.Latency `json:"before_ms"`        // of sessions at the leader, with all servers there
	During    bench.Latency `json:"during_ms"`        // up to Complete
	PerSecond [2]float64    `json:"per_second"`       // before and during
}
