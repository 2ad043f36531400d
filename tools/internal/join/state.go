package join

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// Stage is how far a join has come. Each is durable before the first thing is done in it.
type Stage string

const (
	stageNone    Stage = ""        // there is nothing yet
	stageCopying Stage = "copying" // the data directory is filled; what is in it is worth nothing yet
	stageCopied  Stage = "copied"  // it is whole, and the settings are still the primary's
	stageReady   Stage = "ready"   // it is a server of its own
	stageStarted Stage = "started" // it was started
	stageAdded   Stage = "added"   // it is a member
)

// stateSuffix is of the state's file, beside the data directory.
const stateSuffix = ".pgraft_join"

// state is what outlives a run that is cut short.
type state struct {
	Stage      Stage  `json:"stage"`
	System     string `json:"system_identifier"` // of the cluster's servers
	NodeID     uint32 `json:"node_id"`
	Address    string `json:"address"`
	Port       int    `json:"port"`
	ServerPort int    `json:"server_port"`
	Inode      uint64 `json:"data_directory_inode"`
	// From is the primary that the data is of, from stageCopied on; Epoch is 0 where failover is off.
	From  host.Source `json:"from"`
	First string      `json:"first_wal_file"` // that the server needs, by its backup_label
	Store string      `json:"store"`          // the directory of the Raft store, once that is made, or about to be

	Counted bool `json:"-"` // commits wait for it
}

func (j *joiner) statePath() string { return j.DataDir + stateSuffix }

// load leaves the state as it is where there is no file.
func (s *state) load(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return fmt.Errorf("the file of a join that was cut short: %s: %w", path, err)
	}
	return nil
}

// at has the file say that a stage begins.
func (j *joiner) at(s Stage) error {
	j.state.Stage = s
	text, err := json.MarshalIndent(&j.state, "", "  ")
	if err != nil {
		return err
	}
	return rejoin.WriteDurably(j.statePath(), append(text, '\n'))
}

// choose fills in who the new member is. What a run before has chosen stays.
func (s *state) choose(o *Options, c *cluster, conn *pgx.Conn) error {
	if s.Stage != stageNone {
		if s.System != c.system {
			return fmt.Errorf("a join of another cluster was cut short here: remove %s and %s to begin anew", o.DataDir, o.DataDir+stateSuffix)
		}
		if o.NodeID != 0 && o.NodeID != s.NodeID || o.Address != "" && o.Address != s.Address || o.Port != 0 && o.Port != s.Port || o.ServerPort != 0 && o.ServerPort != s.ServerPort {
			return fmt.Errorf("a join was cut short here, as node %d at %s, with PostgreSQL's port %d: leave out what says otherwise, or remove %s and %s to begin anew",
				s.NodeID, address(s.Address, s.Port), s.ServerPort, o.DataDir, o.DataDir+stateSuffix)
		}
		return nil
	}
	s.System, s.NodeID, s.Address, s.Port, s.ServerPort = c.system, o.NodeID, o.Address, o.Port, o.ServerPort
	if s.NodeID == 0 {
		s.NodeID = c.freeID()
	}
	if s.Address == "" {
		tcp, ok := conn.PgConn().Conn().LocalAddr().(*net.TCPAddr)
		if !ok {
			return errors.New("which address the other members reach this machine at is not known from here: say it with --address, or name a member by its address")
		}
		s.Address = tcp.IP.String()
	}
	if s.Port == 0 {
		s.Port = c.port
	}
	if s.ServerPort == 0 {
		s.ServerPort = c.serverPort
	}
	return nil
}

// takeDir makes the data directory, or takes the one that is there, and locks it.
func (j *joiner) takeDir() error {
	fresh := false
	if err := os.Mkdir(j.DataDir, 0o700); err == nil {
		fresh = true
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	var err error
	if j.dir, err = os.Open(j.DataDir); err != nil {
		return err
	}
	if err := syscall.Flock(int(j.dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process works on %s: %w", j.DataDir, err)
	}
	inode, err := inodeOf(j.dir)
	switch {
	case err != nil:
		return err
	case j.state.Stage == stageNone:
		j.state.Inode = inode
		return j.at(stageCopying)
	case fresh && j.state.Stage == stageCopying:
		j.state.Inode = inode
		return j.at(stageCopying)
	case inode != j.state.Inode:
		return fmt.Errorf("%s is not the directory in which a join was cut short: if it holds nothing that is needed, remove it and %s to begin anew", j.DataDir, j.statePath())
	}
	return nil
}

func inodeOf(f *os.File) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Ino, nil
}

// empty removes what a copy that was cut short has left.
func (j *joiner) empty() error {
	if j.isThere("global/pg_control") && !j.isThere("backup_label") {
		return fmt.Errorf("%s holds a database cluster that is not this copy: remove %s, and name another data directory", j.DataDir, j.statePath())
	}
	return emptyDir(j.DataDir)
}

// emptyDir leaves a directory alone that is not there.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func (j *joiner) isThere(name string) bool {
	_, err := os.Lstat(filepath.Join(j.DataDir, name))
	return err == nil
}

// stands says what there is after an error.
func (j *joiner) stands() string {
	again := "Run it again to go on from here; to give it up, "
	remove := fmt.Sprintf("remove %s and %s", j.DataDir, j.statePath())
	switch j.state.Stage {
	case stageCopying:
		return "The copy of the data is not whole. Run it again to begin the copy anew; to give it up, " + remove + "."
	case stageCopied:
		return "The data is copied, and the server was not started. " + again + remove + "."
	case stageReady:
		return "The server's data is complete, and it does not run yet. " + again + remove + "."
	case stageStarted:
		return fmt.Sprintf("The server was started, and is no member yet. %sstop it and %s.", again, remove)
	}
	return fmt.Sprintf("The server is node %d of the cluster. Run it again to wait on; to give it up, run SELECT pgraft_remove_node(%d) on the leader, stop the server and %s.",
		j.state.NodeID, j.state.NodeID, remove)
}
