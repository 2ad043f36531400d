// Package sqlapi calls the extension's SQL functions and reads their rows by
// column name, so that a missing, renamed or retyped column is an error.
package sqlapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is what the calls need of a connection; *pgx.Conn is one.
type Conn interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Node is a row of pgraft_get_nodes.
type Node struct {
	NodeID   int32  `db:"node_id" json:"node_id"`
	Address  string `db:"address" json:"address"`
	Port     int32  `db:"port" json:"port"`
	IsLeader bool   `db:"is_leader" json:"is_leader"`
}

// Status is a row of pgraft_get_cluster_status.
type Status struct {
	NodeID       int32  `db:"node_id" json:"node_id"`
	Address      string `db:"address" json:"address"`
	Port         int32  `db:"port" json:"port"`
	IsLeader     bool   `db:"is_leader" json:"is_leader"`
	State        string `db:"state" json:"state"`
	Term         int64  `db:"term" json:"term"`
	CommitIndex  int64  `db:"commit_index" json:"commit_index"`
	LastLogIndex int64  `db:"last_log_index" json:"last_log_index"`
	// like "0.042s"; nil when nothing was heard yet
	LastHeartbeat *string `db:"last_heartbeat" json:"last_heartbeat"`
}

// Failover is a row of pgraft_stat_failover; nil is NULL.
type Failover struct {
	NodeID    int32   `db:"node_id" json:"node_id"`
	Role      string  `db:"role" json:"role"`
	State     string  `db:"state" json:"state"`
	Epoch     *int64  `db:"epoch" json:"epoch"`
	Timeline  *int64  `db:"timeline" json:"timeline"`
	Position  *string `db:"position" json:"position"`
	Lag       *int64  `db:"lag" json:"lag"` // bytes
	InSyncSet bool    `db:"in_sync_set" json:"in_sync_set"`
	Electable bool    `db:"electable" json:"electable"`
	WhyNot    *string `db:"why_not" json:"why_not"`
}

// LogStats is the row of pgraft_log_get_stats. LogSize is in bytes.
type LogStats struct {
	LogSize     int64 `db:"log_size" json:"log_size"`
	LastIndex   int64 `db:"last_index" json:"last_index"`
	CommitIndex int64 `db:"commit_index" json:"commit_index"`
	LastApplied int64 `db:"last_applied" json:"last_applied"`
}

// Replication is a row of pgraft_log_get_replication_status.
type Replication struct {
	NodeID        int32   `db:"node_id"`
	MatchIndex    int64   `db:"match_index"`
	NextIndex     int64   `db:"next_index"`
	IsReplicating bool    `db:"is_replicating"`
	LastHeartbeat *string `db:"last_heartbeat"`
}

// Entry is one user entry of the log; Raft's own are left out.
type Entry struct {
	Index int64  `db:"i"`
	Data  string `db:"data"`
}

// Init calls pgraft_init().
func Init(ctx context.Context, c Conn) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_init()")
}

// AddNode calls pgraft_add_node.
func AddNode(ctx context.Context, c Conn, id int, address string, port int) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_add_node($1, $2, $3)", id, address, port)
}

// RemoveNode calls pgraft_remove_node.
func RemoveNode(ctx context.Context, c Conn, id int) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_remove_node($1)", id)
}

// ReplaceNode calls pgraft_replace_node.
func ReplaceNode(ctx context.Context, c Conn, old, id int, address string, port int) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_replace_node($1, $2, $3, $4)", old, id, address, port)
}

// IsLeader calls pgraft_is_leader.
func IsLeader(ctx context.Context, c Conn) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_is_leader()")
}

// Leader calls pgraft_get_leader: the leader's node id, 0 when none is known.
func Leader(ctx context.Context, c Conn) (int32, error) {
	return one[int32](ctx, c, "SELECT pgraft_get_leader()")
}

// Term calls pgraft_get_term.
func Term(ctx context.Context, c Conn) (int64, error) {
	return one[int64](ctx, c, "SELECT pgraft_get_term()")
}

// WorkerState calls pgraft_get_worker_state.
func WorkerState(ctx context.Context, c Conn) (string, error) {
	return one[string](ctx, c, "SELECT pgraft_get_worker_state()")
}

// Version calls pgraft_get_version.
func Version(ctx context.Context, c Conn) (string, error) {
	return one[string](ctx, c, "SELECT pgraft_get_version()")
}

// SetDebug calls pgraft_set_debug.
func SetDebug(ctx context.Context, c Conn, on bool) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_set_debug($1)", on)
}

// Replicate calls pgraft_replicate_entry. An answer of false is an error: the
// function says true or raises one.
func Replicate(ctx context.Context, c Conn, data string) error {
	ok, err := one[bool](ctx, c, "SELECT pgraft_replicate_entry($1)", data)
	if err == nil && !ok {
		return fmt.Errorf("pgraft_replicate_entry answered false for an entry of %d bytes", len(data))
	}
	return err
}

// LogEntry calls pgraft_log_get_entry: nil for an entry of Raft's own.
func LogEntry(ctx context.Context, c Conn, index int64) (*string, error) {
	return one[*string](ctx, c, "SELECT pgraft_log_get_entry($1)", index)
}

// Entries reads the user entries first to last with pgraft_log_get_entry.
func Entries(ctx context.Context, c Conn, first, last int64) ([]Entry, error) {
	return many[Entry](ctx, c, `SELECT i, data FROM (
		SELECT i, pgraft_log_get_entry(i) AS data FROM generate_series($1::bigint, $2::bigint) AS i OFFSET 0
		) AS log WHERE data IS NOT NULL ORDER BY i`, first, last)
}

// Place is the row of pgraft_propose: where an entry is in the log.
type Place struct {
	Index int64 `db:"index"`
	Term  int64 `db:"term"`
}

// LogRow is a row of pgraft_log_entries. Data is nil for Raft's own entries.
type LogRow struct {
	Index int64   `db:"index"`
	Term  int64   `db:"term"`
	Kind  string  `db:"kind"`
	Data  *string `db:"data"`
}

// Finding is a row of pgraft_health_check.
type Finding struct {
	Metric string  `db:"metric" json:"metric"`
	Value  *string `db:"value" json:"value"` // nil: unknown
	Status string  `db:"status" json:"status"`
}

// Propose calls pgraft_propose; an empty request id stands for NULL.
func Propose(ctx context.Context, c Conn, data, requestID string) (Place, error) {
	rows, err := many[Place](ctx, c, "SELECT * FROM pgraft_propose($1, NULLIF($2, '')::uuid)", data, requestID)
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("pgraft_propose: %d rows, want 1", len(rows))
	}
	if err != nil {
		return Place{}, err
	}
	return rows[0], nil
}

// LogEntries calls pgraft_log_entries.
func LogEntries(ctx context.Context, c Conn, first, last int64) ([]LogRow, error) {
	return many[LogRow](ctx, c, "SELECT * FROM pgraft_log_entries($1, $2)", first, last)
}

// HealthCheck calls pgraft_health_check.
func HealthCheck(ctx context.Context, c Conn) ([]Finding, error) {
	return many[Finding](ctx, c, "SELECT * FROM pgraft_health_check()")
}

// ConfirmLeader calls pgraft_confirm_leader.
func ConfirmLeader(ctx context.Context, c Conn) (int64, error) {
	return one[int64](ctx, c, "SELECT pgraft_confirm_leader()")
}

// ReadBarrier calls pgraft_read_barrier.
func ReadBarrier(ctx context.Context, c Conn) (int64, error) {
	return one[int64](ctx, c, "SELECT pgraft_read_barrier()")
}

// WaitApplied calls pgraft_wait_applied.
func WaitApplied(ctx context.Context, c Conn, index int64, timeout string) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_wait_applied($1, $2::text::interval)", index, timeout)
}

// TransferLeadership calls pgraft_transfer_leadership; 0 stands for NULL.
func TransferLeadership(ctx context.Context, c Conn, to int) (bool, error) {
	return one[bool](ctx, c, "SELECT pgraft_transfer_leadership(NULLIF($1, 0))", to)
}

// Nodes calls pgraft_get_nodes.
func Nodes(ctx context.Context, c Conn) ([]Node, error) {
	return many[Node](ctx, c, "SELECT * FROM pgraft_get_nodes()")
}

// ClusterStatus calls pgraft_get_cluster_status.
func ClusterStatus(ctx context.Context, c Conn) ([]Status, error) {
	return many[Status](ctx, c, "SELECT * FROM pgraft_get_cluster_status()")
}

const undefinedTable = "42P01"

// StatFailover reads pgraft_stat_failover: no rows where the server takes no part, or has an
// extension of before version 1.1.
func StatFailover(ctx context.Context, c Conn) ([]Failover, error) {
	rows, err := many[Failover](ctx, c, `SELECT node_id, role, state, epoch, timeline, "position"::text AS position, lag, in_sync_set, electable, why_not
		FROM pgraft_stat_failover ORDER BY node_id`)
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == undefinedTable {
		return nil, nil
	}
	return rows, err
}

// ReplicationStatus calls pgraft_log_get_replication_status.
func ReplicationStatus(ctx context.Context, c Conn) ([]Replication, error) {
	return many[Replication](ctx, c, "SELECT * FROM pgraft_log_get_replication_status()")
}

// Stats calls pgraft_log_get_stats, which answers with one row.
func Stats(ctx context.Context, c Conn) (LogStats, error) {
	rows, err := many[LogStats](ctx, c, "SELECT * FROM pgraft_log_get_stats()")
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("pgraft_log_get_stats: %d rows, want 1", len(rows))
	}
	if err != nil {
		return LogStats{}, err
	}
	return rows[0], nil
}

// one runs a query that answers with one value.
func one[T any](ctx context.Context, c Conn, sql string, args ...any) (T, error) {
	var none T
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		return none, fmt.Errorf("%s: %w", sql, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		return none, fmt.Errorf("%s: %w", sql, err)
	}
	return v, nil
}

// many runs a query whose rows have exactly T's columns.
func many[T any](ctx context.Context, c Conn, sql string, args ...any) ([]T, error) {
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	v, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	return v, nil
}
