package main

// #include "engine.h"
import "C"

import (
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
	"github.com/pgraft/pgraft/node/web"
)

const (
	// gcPercent trades CPU for memory: the worker's heap is small, and its
	// memory is counted against the server's.
	gcPercent = 50
	// maxEntryBytes is the largest value of pgraft.max_entry_size. A session's
	// own limit comes with its request.
	maxEntryBytes = C.PGRAFT_MAX_ENTRY_BYTES
)

type config struct {
	node    node.Config
	level   slog.Level
	refused *refusedError // nil: none

	http       web.Listen // where it is answered
	failover   bool       // as of start: this server takes part
	priority   uint32
	serverPort uint16
	conninfo   string // pgraft.replication_conninfo
	rejoin     uint32 // C.PGRAFT_REJOIN_...
}

// serverAddress is where PostgreSQL listens.
func (c *config) serverAddress() string {
	return net.JoinHostPort(c.node.Address, strconv.Itoa(int(c.serverPort)))
}

// refusedError says that a setting was given at server start and refused: what
// is in force in its place is not what anybody wants.
type refusedError struct {
	text, detail string
	untilRestart bool
}

func (e *refusedError) Error() string { return e.text + ": " + e.detail }

// hint is what to do about it.
func (e *refusedError) hint() string {
	if e.untilRestart {
		return "Put it right and restart the server."
	}
	return "Put it right and reload the configuration: the node then starts by itself."
}

var levels = map[C.uint32_t]slog.Level{
	C.PGRAFT_LOG_DEBUG: slog.LevelDebug, C.PGRAFT_LOG_INFO: slog.LevelInfo,
	C.PGRAFT_LOG_WARNING: slog.LevelWarn, C.PGRAFT_LOG_ERROR: slog.LevelError,
}

// readConfig copies what C owns.
func readConfig(c *C.PgraftConfig) config {
	return config{
		level: levels[c.log_level], refused: refused(c), http: listenOf(c),
		failover: c.failover != 0, priority: uint32(c.failover_priority), serverPort: uint16(c.server_port), conninfo: goString(c.replication_conninfo), rejoin: uint32(c.rejoin),
		node: node.Config{
			ClusterID: goString(c.cluster_id), NodeID: uint32(c.node_id),
			Address: goString(c.address), ListenAddress: goString(c.listen_address), Port: uint32(c.port),
			DataDir: goString(c.data_dir), MarkerPath: goString(c.marker_path),
			GroupAccess:       c.group_access != 0,
			ElectionTimeout:   time.Duration(c.election_timeout_ms) * time.Millisecond,
			HeartbeatInterval: time.Duration(c.heartbeat_interval_ms) * time.Millisecond,
			MaxEntryBytes:     maxEntryBytes,
			SnapshotEntries:   uint64(c.snapshot_entries),
			Trace:             traceSettings(c),
			TLS:               tlsFiles(c),
			SealTimeout:       time.Duration(c.seal_timeout_ms) * time.Millisecond,
			Retention:         store.Retention{RetainEntries: uint64(c.retain_entries), RetainBytes: uint64(c.retain_bytes)},
		},
	}
}

func refused(c *C.PgraftConfig) *refusedError {
	if c.refused.len == 0 {
		return nil
	}
	return &refusedError{text: goString(c.refused), detail: goString(c.refused_detail), untilRestart: c.refused_until_restart != 0}
}

// listenOf takes the files of TLS whether or not nodes speak it to each other.
func listenOf(c *C.PgraftConfig) web.Listen {
	l := web.Listen{Address: goString(c.http_listen)}
	if c.http_ssl != 0 {
		l.TLS = &transport.TLSFiles{Cert: goString(c.ssl_cert_file), Key: goString(c.ssl_key_file)}
	}
	return l
}

// tlsFiles is nil without TLS.
func tlsFiles(c *C.PgraftConfig) *transport.TLSFiles {
	if c.ssl_enabled == 0 {
		return nil
	}
	return &transport.TLSFiles{Cert: goString(c.ssl_cert_file), Key: goString(c.ssl_key_file), CA: goString(c.ssl_ca_file)}
}

func (c config) settings() node.Settings {
	s := node.Settings{ElectionTimeout: c.node.ElectionTimeout, HeartbeatInterval: c.node.HeartbeatInterval,
		SnapshotEntries: c.node.SnapshotEntries, Retention: c.node.Retention, Trace: c.node.Trace, SealTimeout: c.node.SealTimeout}
	if c.node.TLS != nil {
		s.TLS = *c.node.TLS
	}
	return s
}
