// Package join is `pgraft join`: it makes a standby from nothing on this machine, as a member of a
// cluster that runs. Start with Run.
//
// What it does is a row of stages (state.go). The one that it is in stands in a file beside the
// data directory, durable before anything of it happens, and goes last: who is cut short goes on
// from there when it is run again, and nothing is touched that it has not made.
package join

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options are what the user says. What is empty is found out.
type Options struct {
	Targets       []string // connection strings of members, one of them at least
	DataDir       string   // PostgreSQL's data directory, to be made
	ConfigFile    string   // postgresql.conf, where it is not in the data directory
	BinDir        string   // of PostgreSQL's programs
	NodeID        uint32
	Address       string // which the other members dial
	ListenAddress string
	Port          int    // of the node
	ServerPort    int    // of PostgreSQL
	Replication   string // how the server connects to a primary, as pgraft.replication_conninfo
	CertFile      string // of the node, as pgraft.ssl_cert_file and so on
	KeyFile       string
	CAFile        string
	LogFile       string // of the server
	Start         string // a command that starts the server, in place of pg_ctl
	Timeout       time.Duration
	Progress      io.Writer
}

// Result is what has come of it.
type Result struct {
	NodeID     uint32  `json:"node_id"`
	Address    string  `json:"address"`
	Port       int     `json:"port"`
	ServerPort int     `json:"server_port"`
	DataDir    string  `json:"data_dir"`
	ClusterID  string  `json:"cluster_id"`
	Primary    string  `json:"primary"` // host:port
	Failover   bool    `json:"failover"`
	InSyncSet  bool    `json:"in_sync_set"`
	Bytes      int64   `json:"bytes_copied"` // in this run
	Seconds    float64 `json:"seconds"`
}

// joiner is one run.
type joiner struct {
	Options
	state   state
	dir     *os.File // the data directory, locked
	cluster cluster
	conn    *pgx.Conn // to the primary
	keeper  *pgx.Conn // keeps WAL there
	bytes   int64
}

// Run joins. The error says what stands, and what is to be done.
func Run(ctx context.Context, o Options) (r Result, err error) {
	if os.Geteuid() == 0 {
		return r, errors.New("this runs PostgreSQL, which refuses to run as root: run it as the user that is to run the server, such as postgres")
	}
	if o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return r, err
	}
	j := &joiner{Options: o}
	began := time.Now()
	if err := j.state.load(j.statePath()); err != nil {
		return r, err
	}
	defer j.close()
	if err := j.prepare(ctx); err != nil {
		return r, err
	}
	if err := j.steps(ctx); err != nil {
		if j.state.Stage == stageNone {
			return r, err
		}
		return r, fmt.Errorf("%w\n%s", err, j.stands())
	}
	s := &j.state
	r = Result{NodeID: s.NodeID, Address: s.Address, Port: s.Port, ServerPort: s.ServerPort, DataDir: j.DataDir, ClusterID: j.cluster.id,
		Primary: j.cluster.address(), Failover: j.cluster.failsOver(), InSyncSet: j.cluster.failsOver() && s.Counted, Bytes: j.bytes, Seconds: time.Since(began).Seconds()}
	return r, nil
}

// prepare asks the cluster and looks at this machine. Nothing is changed.
func (j *joiner) prepare(ctx context.Context) error {
	if err := j.finds(ctx); err != nil {
		return err
	}
	if err := j.state.choose(&j.Options, &j.cluster, j.conn); err != nil {
		return err
	}
	if err := j.programs(); err != nil {
		return err
	}
	return j.checks(ctx)
}

// steps carries out what is left.
func (j *joiner) steps(ctx context.Context) error {
	if err := j.takeDir(); err != nil {
		return err
	}
	if err := j.looksAgain(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		at Stage
		do func(context.Context) error
	}{{stageCopying, j.copies}, {stageCopied, j.configures}, {stageReady, j.starts}, {stageStarted, j.adds}, {stageAdded, j.waits}} {
		if j.state.Stage != step.at {
			continue
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return os.Remove(j.statePath())
}

func (j *joiner) close() {
	if j.keeper != nil {
		j.keeper.Close(context.Background())
	}
	if j.conn != nil {
		j.conn.Close(context.Background()) // all was asked
	}
	if j.dir != nil {
		j.dir.Close() // only a lock
	}
}

func (j *joiner) say(format string, args ...any) { fmt.Fprintf(j.Progress, format+"\n", args...) }
