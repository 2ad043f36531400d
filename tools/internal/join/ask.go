package join

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/rejoin"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// cluster is what the primary says.
type cluster struct {
	via        conninfo // a session of the primary
	host       string
	serverPort int // as the server has it
	reached    int // as it is reached
	version    int // server_version_num
	system     string
	dataDir    string
	listens    string

	walLevel            string
	senders, maxSenders int
	slots, maxSlots     int
	size                int64
	tablespaces         []string
	id                  string // pgraft.cluster_id
	node                uint32
	port                int
	store               string // pgraft.data_dir
	tls                 bool
	replication         string // pgraft.replication_conninfo
	mode                string // of failover
	asked               host.Asked
	members             []sqlapi.Node
	settings            map[string]string // that a server of the cluster has, wherever they stand
}

func (c *cluster) failsOver() bool { return c.mode != "off" }

func (c *cluster) address() string { return address(c.host, c.reached) }

// freeID is a node id that no member has.
func (c *cluster) freeID() uint32 {
	var top int32
	for _, m := range c.members {
		top = max(top, m.NodeID)
	}
	return uint32(top) + 1
}

// finds connects to the primary, by way of whoever answers.
func (j *joiner) finds(ctx context.Context) error {
	var all error
	for _, target := range j.Targets {
		via, err := parseConninfo(target)
		if err != nil {
			return err
		}
		if via.values["dbname"] == "" {
			via.set("dbname", "postgres")
		}
		if err = j.follows(ctx, via); err == nil {
			return j.cluster.ask(ctx, j.conn)
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", via.how().at(via.values["host"], via.values["port"]), err))
	}
	return all
}

// hops is how many standbys may stream from one another.
const hops = 8

// follows goes from a standby to the server that it streams from, up to the primary.
func (j *joiner) follows(ctx context.Context, via conninfo) error {
	for range hops {
		conn, err := via.connect(ctx, false)
		if err != nil {
			return err
		}
		var recovery bool
		var from *string
		var port *int
		err = conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), (SELECT sender_host FROM pg_stat_wal_receiver), (SELECT sender_port FROM pg_stat_wal_receiver)`).Scan(&recovery, &from, &port)
		switch {
		case err != nil:
		case !recovery:
			j.cluster.via, j.conn = via, conn
			return nil
		case from == nil || port == nil:
			err = errors.New("it is a standby that streams from nobody now: name another member")
		case strings.HasPrefix(*from, "/") || isLocal(*from) && !isLocal(via.values["host"]):
			err = fmt.Errorf("it streams from %s on its own machine: name the primary itself", *from)
		default:
			via = via.at(*from, strconv.Itoa(*port), "dbname", via.values["dbname"])
		}
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return err
		}
	}
	return fmt.Errorf("the primary was not found in %d steps from standby to standby: name it", hops)
}

func isLocal(name string) bool {
	return name == "" || name == "localhost" || name == "::1" || strings.HasPrefix(name, "127.") || strings.HasPrefix(name, "/")
}

const facts = `SELECT current_setting('server_version_num')::int, (SELECT system_identifier::text FROM pg_control_system()), current_setting('data_directory'),
	current_setting('listen_addresses'), current_setting('port')::int, current_setting('wal_level'),
	(SELECT count(*)::int FROM pg_stat_replication), current_setting('max_wal_senders')::int,
	(SELECT count(*)::int FROM pg_replication_slots), current_setting('max_replication_slots')::int,
	(SELECT sum(pg_database_size(oid))::bigint FROM pg_database),
	(SELECT coalesce(array_agg(pg_tablespace_location(oid)), '{}') FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''),
	coalesce(current_setting('pgraft.cluster_id', true), ''), coalesce(current_setting('pgraft.node_id', true), '0')::bigint,
	coalesce(current_setting('pgraft.port', true), '0')::int, coalesce(current_setting('pgraft.data_dir', true), ''),
	coalesce(current_setting('pgraft.ssl_enabled', true), 'off')::bool, coalesce(current_setting('pgraft.replication_conninfo', true), '')`

// likePrimary are settings that a standby needs to be as on the primary, at least.
var likePrimary = []string{"shared_preload_libraries", "wal_level", "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
	"max_locks_per_transaction", "max_replication_slots", "wal_log_hints"}

func (c *cluster) ask(ctx context.Context, conn *pgx.Conn) error {
	if c.host = c.via.values["host"]; c.host == "" {
		c.host = conn.Config().Host
	}
	if tcp, ok := conn.PgConn().Conn().RemoteAddr().(*net.TCPAddr); ok && strings.Contains(c.host, ",") {
		c.host = tcp.IP.String()
	}
	var node int64
	err := conn.QueryRow(ctx, facts).Scan(&c.version, &c.system, &c.dataDir, &c.listens, &c.serverPort, &c.walLevel, &c.senders, &c.maxSenders, &c.slots, &c.maxSlots,
		&c.size, &c.tablespaces, &c.id, &node, &c.port, &c.store, &c.tls, &c.replication)
	if err != nil {
		return fmt.Errorf("ask the server at %s: %w", c.via.values["host"], explained(err, conn))
	}
	c.reached = c.serverPort
	if port, err := strconv.Atoi(c.via.values["port"]); err == nil {
		c.reached = port
	}
	if c.node = uint32(node); c.node == 0 {
		return fmt.Errorf("the server at %s is no node of pgraft: set shared_preload_libraries = 'pgraft' and pgraft.node_id there, restart it, and run SELECT pgraft_init()", c.address())
	}
	state, err := sqlapi.WorkerState(ctx, conn)
	if err == nil && state != "running" {
		err = fmt.Errorf("its node is %s, and not running: see pgraft_health_check() there", state)
	}
	if err == nil {
		c.members, err = sqlapi.Nodes(ctx, conn)
	}
	if err == nil {
		err = conn.QueryRow(ctx, "SELECT mode FROM pgraft_failover_settings()").Scan(&c.mode)
	}
	if err == nil {
		err = c.askSettings(ctx, conn)
	}
	if err == nil && c.failsOver() {
		c.asked, err = rejoin.Ask(ctx, conn)
	}
	if err != nil {
		return fmt.Errorf("ask the server at %s: %w", c.address(), explained(err, conn))
	}
	return nil
}

func (c *cluster) askSettings(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY($1) OR name LIKE 'pgraft.%' AND source NOT IN ('default', 'override')", likePrimary)
	if err != nil {
		return err
	}
	type setting struct{ Name, Value string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
	c.settings = map[string]string{}
	for _, s := range all {
		c.settings[s.Name] = s.Value
	}
	return err
}

// explained adds the way out of an error.
func explained(err error, conn *pgx.Conn) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	text := pgErr.Message
	for _, more := range []string{pgErr.Detail, pgErr.Hint} {
		if more != "" {
			text += "; " + more
		}
	}
	switch pgErr.Code {
	case "42883", "42P01": // there is no such function
		text += fmt.Sprintf("; run CREATE EXTENSION pgraft, or ALTER EXTENSION pgraft UPDATE, in database %q there, or name the database that has it with dbname=", conn.Config().Database)
	case "42501":
		text += fmt.Sprintf("; role %q has to be a superuser, or in pg_monitor and pg_read_all_settings with EXECUTE on pgraft_add_node", conn.Config().User)
	}
	return fmt.Errorf("%s (%w)", text, err)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
