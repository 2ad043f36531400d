// Package standalone starts a stopped server of a failover cluster as a primary without pgraft,
// where pgraft is what is broken: the command standalone.
//
// It needs neither the engine nor the library: what it tells of the server it reads from the notes
// of package host, and from pg_controldata. What it leaves are settings in postgresql.auto.conf,
// and the note that the data was written without the library. By that note a boot with the
// library quarantines the server (host.Boot), so no cluster counts what it has written.
package standalone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// Options are what the operator says.
type Options struct {
	DataDir   string
	ClusterID string // pgraft.cluster_id, repeated; empty: it is asked for
	NoStart   bool   // only prepare the server
	In        io.Reader
	Out       io.Writer
}

type server struct {
	Options
	opts  opts
	found found
}

// Run starts the server. Until the operator has confirmed it changes nothing; killed after that, it
// may be run again.
func Run(o Options) error {
	s := &server{Options: o}
	var err error
	if s.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return err
	}
	if err := s.refuses(); err != nil {
		return err
	}
	if s.opts, err = readOpts(s.DataDir); err != nil {
		return err
	}
	if s.found, err = s.finds(); err != nil {
		return err
	}
	s.found.tells(s.Out, s.DataDir)
	if err := s.confirms(); err != nil {
		return err
	}
	if err := s.prepares(); err != nil {
		return err
	}
	if s.NoStart {
		s.say("The server is prepared: start it as always, and promote it, as pg_ctl promote does.")
	} else if err := s.starts(); err != nil {
		return err
	}
	s.say("%s", fmt.Sprintf(afterwards, s.found.libraries))
	return nil
}

const afterwards = `It stays out of its cluster, and starts without pgraft from now on. Once pgraft is back,
docs/operations-failover.md ("Without pgraft") says how a cluster is founded with this data, or how
this server's data is made anew. For both, pgraft is loaded again by

  ALTER SYSTEM SET shared_preload_libraries = %s;
  ALTER SYSTEM RESET synchronous_standby_names;`

func (s *server) say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }

// refuses says why nothing can be done with the directory.
func (s *server) refuses() error {
	for _, name := range []string{"PG_VERSION", "global/pg_control"} {
		if _, err := os.Stat(s.file(name)); err != nil {
			return fmt.Errorf("%s is no data directory of PostgreSQL: %w", s.DataDir, err)
		}
	}
	if err := isOwner(s.DataDir); err != nil {
		return err
	}
	if pid, runs := running(s.DataDir); runs {
		return fmt.Errorf("a server runs in %s (process %d): stop it first", s.DataDir, pid)
	}
	marker := s.DataDir + host.MarkerSuffix
	if _, err := os.Lstat(marker); err == nil {
		return fmt.Errorf("the data in %s was being made anew, and that has not ended: it may be of two servers; %s says so", s.DataDir, marker)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *server) file(name string) string { return filepath.Join(s.DataDir, name) }

// confirms has the operator repeat the cluster's id.
func (s *server) confirms() error {
	if f, ok := s.In.(*os.File); s.ClusterID == "" && ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(s.Out, "Type the cluster's id to start this server as a primary: ")
		line, err := bufio.NewReader(f).ReadString('\n')
		if err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		s.ClusterID = strings.TrimSpace(line)
	}
	if s.ClusterID == "" {
		return errors.New("nothing was changed: repeat the cluster's id with --cluster-id to start this server as a primary")
	}
	if s.ClusterID != s.found.clusterID {
		return fmt.Errorf("nothing was changed: the cluster's id is %q, and not %q", s.found.clusterID, s.ClusterID)
	}
	return nil
}

// prepares has the next start be one without pgraft. The note comes first: from then on no
// cluster counts this data.
func (s *server) prepares() error {
	if d := s.found.data; d != nil {
		note := d.WithoutLibrary()
		if err := rejoin.WriteDurably(s.file(host.DataFile), note.Marshal()); err != nil {
			return err
		}
	}
	if err := s.setAlone(); err != nil {
		return err
	}
	// A promotion takes another timeline, which nobody's WAL is: also without the note the
	// cluster would not count it.
	if err := os.Remove(s.file("recovery.signal")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return rejoin.WriteDurably(s.file("standby.signal"), nil)
}

// starts starts the server and promotes it.
func (s *server) starts() error {
	log := s.file("pgraft.standalone.log")
	if _, err := s.program("pg_ctl", "start", "-w", "-t", "86400", "-s", "-D", s.DataDir, "-l", log, "-o", s.opts.line()); err != nil {
		return fmt.Errorf("the server does not start; its log, or %s, says why: %w", log, err)
	}
	if _, err := s.program("pg_ctl", "promote", "-w", "-t", "86400", "-s", "-D", s.DataDir); err != nil {
		return fmt.Errorf("the server runs, and is not promoted yet: pg_ctl promote does that: %w", err)
	}
	s.say("The server in %s is a primary now, without pgraft.", s.DataDir)
	return nil
}
