package standalone

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// found is what is known of a server that does not run.
type found struct {
	clusterID string
	libraries string // shared_preload_libraries, as SQL has it
	data      *host.Data
	dataFault error // why that cannot be read
	store     *host.Store
	control   map[string]string // as pg_controldata prints it
}

// finds reads what is there. A server that takes no part needs nothing of this command.
func (s *server) finds() (f found, err error) {
	text, err := os.ReadFile(s.file(host.DataFile))
	if errors.Is(err, os.ErrNotExist) {
		return f, errNoPart
	} else if err != nil {
		return f, err
	}
	if d, err := host.UnmarshalData(text); err != nil {
		f.dataFault = err
	} else if !d.Joined {
		return f, errNoPart
	} else {
		f.data = &d
	}
	if f.clusterID, err = s.setting("pgraft.cluster_id", "pgraft"); err != nil {
		return f, err
	}
	libraries, err := s.setting("shared_preload_libraries", "")
	if err != nil {
		return f, err
	}
	f.libraries = quoted(libraries)
	dir, err := s.setting("pgraft.data_dir", "pgraft")
	if err != nil {
		return f, err
	}
	if !filepath.IsAbs(dir) {
		dir = s.file(dir)
	}
	if text, err := os.ReadFile(filepath.Join(dir, host.StoreFile)); err == nil {
		if x, err := host.UnmarshalStore(text); err == nil {
			f.store = &x
		}
	}
	f.control, err = s.controlData()
	return f, err
}

var errNoPart = errors.New("this server takes no part in failover: to start it without pgraft, take pgraft out of shared_preload_libraries")

// epoch is the newest of which the server's own WAL is, and on which timeline; known is the newest
// of which it has heard at all. 0: the timeline is the one on which failover was enabled, and
// nothing else says of which epoch that was.
func (f *found) epoch() (own uint64, timeline uint32, known uint64) {
	if f.data == nil {
		return 0, 0, 0
	}
	for _, n := range f.data.Notes {
		if n.Timeline >= timeline {
			own, timeline = n.Epoch, n.Timeline
		}
	}
	if f.data.JoinedOn > timeline {
		own, timeline = 0, f.data.JoinedOn
	}
	if f.store != nil {
		own = max(own, f.store.Floor.Epoch)
	}
	return own, timeline, max(own, f.data.Sealed)
}

// position is how far the WAL reached for certain.
func (f *found) position() string {
	if f.store != nil && f.store.Floor.LSN > 0 {
		return fmt.Sprintf("%s, of epoch %d", failover.LSNText(f.store.Floor.LSN), f.store.Floor.Epoch)
	}
	return f.control["Latest checkpoint location"] + ", its last checkpoint: its Raft store does not say how far it came since"
}

// tells says what is known of the server, and what is lost if it goes on alone.
func (f *found) tells(w io.Writer, dir string) {
	own, timeline, known := f.epoch()
	rows := [][2]string{{"data directory", dir}, {"cluster", f.clusterID}, {"state", f.control["Database cluster state"]}}
	if f.data != nil {
		rows = append(rows, [2]string{"timeline", fmt.Sprint(timeline)}, [2]string{"epoch of its WAL", number(own)}, [2]string{"last known epoch", number(known)})
	}
	rows = append(rows, [2]string{"on disk at least up to", f.position()})
	for _, r := range rows {
		fmt.Fprintf(w, "%-24s%s\n", r[0], r[1])
	}
	fmt.Fprintf(w, "\nIf this server goes on alone, these are lost:\n\n")
	for _, l := range f.losses(own, known) {
		fmt.Fprintf(w, "- %s\n", l)
	}
	fmt.Fprintf(w, "\nPromote the server that has most, one only, and see to it that no other one of the cluster runs.\n\n")
}

// losses are what may be on other servers, and not here.
func (f *found) losses(own, known uint64) (l []string) {
	if f.data == nil {
		l = append(l, fmt.Sprintf("nobody knows what: file %q is damaged, so nothing says whose WAL this server has (%v)", host.DataFile, f.dataFault))
	} else if known == 0 {
		l = append(l, "all that another server has acknowledged, and that has not come here")
	} else if known > own {
		l = append(l, fmt.Sprintf("all that another server has acknowledged in epoch %d or later: this one has heard of it, and has nothing of it", own+1))
	} else {
		l = append(l, fmt.Sprintf("all that another server has acknowledged in epoch %d that has not come here, and in any later one", own))
	}
	if f.data != nil && f.data.Doubt != failover.NoDoubt {
		l = append(l, fmt.Sprintf("perhaps what this server itself had acknowledged: %v", f.data.Doubt))
	}
	if f.store == nil {
		l = append(l, "what this server's disk has lost, if it has: its Raft store is gone or damaged, and so nothing says how far its WAL reached")
	}
	return append(l, "what is written here from now on, should the cluster go on without this server")
}

func number(epoch uint64) string {
	if epoch == 0 {
		return "that in which failover was enabled"
	}
	return fmt.Sprint(epoch)
}

// quoted is a list of libraries for ALTER SYSTEM, with pgraft in it.
func quoted(libraries string) string {
	var l []string
	pgraft := false
	for _, x := range split(libraries) {
		pgraft = pgraft || isPgraft(x)
		l = append(l, quote(x))
	}
	if !pgraft {
		l = append(l, quote("pgraft"))
	}
	return strings.Join(l, ", ")
}
