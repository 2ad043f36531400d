package systems

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/bench/internal/grown"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/proc"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Holder is a member that has its cluster to itself, and whose log is made to hold many
// entries. Between calls no process of it runs.
type Holder interface {
	// Fill has the log hold so many entries, each of so many bytes, and says how many it
	// has written, and in what time. It begins anew if the log holds more.
	Fill(ctx context.Context, entries, bytes int) (written int, took time.Duration, err error)
	// Node starts it as a process with package node, and reads so many random entries.
	Node(ctx context.Context, reads int) (record.Opened, error)
	// SQL does the same with a PostgreSQL server, and has it rest; memory is that of its
	// engine.
	SQL(ctx context.Context, reads int, rest time.Duration) (record.Opened, error)
	// Disk is what the log store's files take.
	Disk() (int64, error)
	Version() string
	Stop() error
}

// holder is a PostgreSQL server whose log is written while it does not run.
type holder struct {
	install pgcluster.Install
	dir     string
	command []string // that calls grown.Main
	cluster *pgcluster.Cluster
	version string
	last    uint64 // index of the last entry that was filled in
}

// NewHolder is one below dir; the command calls grown.Main, with a place after it.
func NewHolder(install pgcluster.Install, dir string, command ...string) Holder {
	return &holder{install: install, dir: filepath.Join(dir, "pgraft-held"), command: command}
}

func (h *holder) Version() string { return h.version }
func (h *holder) Stop() error     { return stop(h.cluster) }

func (h *holder) server() *pgcluster.Server { return h.cluster.Servers[0] }

// place is where the server's node is. The file beside its directory is the extension's.
func (h *holder) place() grown.Place {
	s := h.server()
	return grown.Place{ClusterID: benchCluster, NodeID: uint32(s.NodeID), Port: uint32(s.RaftPort),
		DataDir: filepath.Join(s.DataDir, "pgraft"), MarkerPath: filepath.Join(s.DataDir, "pgraft.initialized")}
}

func (h *holder) start(ctx context.Context) (err error) {
	settings := map[string]string{}
	for _, from := range []map[string]string{confSettings, KeepAll} {
		for k, v := range from {
			settings[k] = v
		}
	}
	h.last = 0
	h.cluster, err = pgcluster.New(ctx, pgcluster.Config{Install: h.install, Nodes: 1, Dir: h.dir, ClusterID: benchCluster, Settings: settings})
	if err != nil {
		return err
	}
	if err := h.cluster.Start(ctx); err != nil {
		return err
	}
	err = withConn(ctx, h.server(), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init()"); err != nil {
			return err
		}
		h.version, err = sqlapi.Version(ctx, conn)
		return err
	})
	return errors.Join(err, h.cluster.Stop(ctx))
}

func (h *holder) Fill(ctx context.Context, entries, bytes int) (written int, took time.Duration, err error) {
	if h.cluster != nil && h.last > uint64(entries)+maxOwn {
		if err := h.Stop(); err != nil {
			return 0, 0, err
		}
		h.cluster = nil
	}
	if h.cluster == nil {
		if err := h.start(ctx); err != nil {
			return 0, 0, err
		}
	}
	written, took, h.last, err = grown.Fill(ctx, h.place(), entries, bytes)
	return written, took, errors.Join(err, h.own())
}

// maxOwn is more than there are entries of Raft's own in a log: one for each start.
const maxOwn = 100

// own gives what this process has written to whom the server's files belong.
func (h *holder) own() error {
	if os.Geteuid() != 0 {
		return nil // they belong to who runs this
	}
	info, err := os.Stat(h.server().DataDir)
	if err != nil {
		return fmt.Errorf("the server's files: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	p := h.place()
	err = filepath.WalkDir(p.DataDir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, int(owner.Uid), int(owner.Gid))
		}
		return err
	})
	if err == nil {
		err = os.Lchown(p.MarkerPath, int(owner.Uid), int(owner.Gid))
	}
	if err != nil {
		return fmt.Errorf("the server's files: %w", err)
	}
	return nil
}

func (h *holder) Node(ctx context.Context, reads int) (record.Opened, error) {
	o, err := grown.Restart(ctx, h.command, h.place(), reads)
	return o, errors.Join(err, h.own())
}

func (h *holder) SQL(ctx context.Context, reads int, rest time.Duration) (o record.Opened, err error) {
	s := h.server()
	began := time.Now()
	if err := s.Start(ctx); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	err = withConn(ctx, s, func(conn *pgx.Conn) error {
		err := wait.For(ctx, settleLimit, "the last entry of the log", func(ctx context.Context) error { return readEntry(ctx, conn, h.last) })
		if err != nil {
			return err
		}
		o.Answers = time.Since(began).Seconds()
		return h.read(ctx, conn, reads, &o)
	})
	if err != nil {
		return o, err
	}
	select { // which is what is measured
	case <-time.After(rest):
	case <-ctx.Done():
		return o, ctx.Err()
	}
	pid, err := s.EngineWorker()
	if err == nil {
		o.Rested, err = proc.PSS(pid)
	}
	return o, err
}

// read reads random entries, and looks at the engine's memory before and after.
func (h *holder) read(ctx context.Context, conn *pgx.Conn, reads int, o *record.Opened) error {
	pid, err := h.server().EngineWorker()
	if err != nil {
		return err
	}
	if o.Memory, err = proc.PSS(pid); err != nil {
		return err
	}
	var took []time.Duration
	for _, index := range grown.Draw(grown.First, h.last, reads, 1) {
		began := time.Now()
		if err := readEntry(ctx, conn, index); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	o.Reads, o.Get = len(took), bench.LatencyOf(took)
	o.After, err = proc.PSS(pid)
	return err
}

// readEntry reads an entry that grown.Fill has written, or one of Raft's own.
func readEntry(ctx context.Context, conn *pgx.Conn, index uint64) error {
	data, err := sqlapi.LogEntry(ctx, conn, int64(index))
	if err != nil || data == nil {
		return err
	}
	return grown.Check(index, []byte(*data))
}

// Disk leaves out the flight recorder, whose size does not depend on the log's.
func (h *holder) Disk() (int64, error) { return grown.Disk(h.place()) }
