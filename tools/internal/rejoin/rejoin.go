// Package rejoin makes the data of a server anew from the cluster's primary, by pg_rewind or by
// pg_basebackup: the command rejoin, which the extension runs in the place of a server whose WAL
// has diverged. Once it has ended well the extension executes the server, under the process id that
// it had.
//
// What comes next is decided by host.Rejoining. All that is kept between two steps is the marker
// beside the data directory, and the server's own files: who is killed goes on from there at the
// next start of the server, which finds the marker and runs this command.
package rejoin

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pgraft/pgraft/core/failover/host"
)

// Options are what the extension says.
type Options struct {
	DataDir    string // PostgreSQL's
	ConfigFile string
	Store      string // the directory of the Raft store
	Clone      bool   // the data may be cloned, too
	Conninfo   string // with which the primary is reached, but for host and port
	Postgres   string // the server's program
	Log        io.Writer
}

const (
	// readyLimit is how long the source of an order that has changed nothing may take to be
	// ready: it may have to end a checkpoint.
	readyLimit = 10 * time.Second
	// askEvery is how often sources are asked, and againEvery how long after a clone that failed
	// the next one begins.
	askEvery   = time.Second
	againEvery = 5 * time.Second
)

// failedSuffix is of the file that says why a rejoin has changed nothing. The extension does not
// begin the next one while it is new: the engine is away for as long as that takes.
const failedSuffix = ".pgraft_rejoin_failed"

// errStopped is the end of a helper that was told to stop. The marker stays.
var errStopped = errors.New("it was told to stop")

type helper struct {
	Options
	named  string // DataDir as the server was started with: the marker lies beside that, and all else beside where it leads
	marker host.Rejoining
	stops  *stops
	lock   *lock
	failed bool  // a rewind was
	noWay  error // why no clone is possible, or allowed

	progress Progress
	shown    time.Time // when that was written
}

// Run makes the data anew. nil: the server may start, or this was told to stop, as was who runs it. The
// server's lock file is there in the end.
func Run(o Options) error {
	h := &helper{Options: o, stops: catchStops(), named: o.DataDir}
	var err error
	if h.DataDir, err = filepath.EvalSymlinks(o.DataDir); err != nil {
		return err
	}
	if h.lock, err = lockData(h.DataDir); err != nil {
		return err
	}
	err = h.run()
	if h.stops.asked() {
		h.say("it was told to stop; the server goes on from here at its next start")
		err = nil
	}
	return errors.Join(err, h.lock.keep(), h.lock.dir.Close())
}

func (h *helper) run() error {
	text, err := os.ReadFile(h.markerPath())
	if err != nil {
		return fmt.Errorf("the marker of a rejoin: %w", err)
	}
	if h.marker, err = host.UnmarshalRejoining(text); err != nil {
		return fmt.Errorf("%s: %w", h.markerPath(), err)
	}
	h.failed = h.marker.Stage >= host.StageRewinding
	h.starts()
	for {
		if h.stops.asked() {
			return errStopped
		}
		done, err := h.step()
		if done || err != nil {
			return err
		}
	}
}

func (h *helper) step() (done bool, err error) {
	own, err := h.ownNote()
	if err != nil {
		return false, err
	}
	ways, err := h.ways()
	if err != nil {
		return false, err
	}
	s := h.source(&own)
	switch h.marker.Next(&own, ways, s.asked, s.ordered, s.ok) {
	case host.StepGiveUp:
		why := s.why
		if why == nil {
			why = h.noWay
		}
		h.say("nothing is changed: %v", why)
		return true, errors.Join(WriteDurably(h.named+failedSuffix, fmt.Appendf(nil, "%v", why)), h.forgets())
	case host.StepWait:
		h.say("there is no primary to make the data anew from: %v", s.why)
		h.does(Waits, "", s.why)
		return false, h.stops.wait(askEvery)
	case host.StepRewind:
		return false, h.rewinds(s, &own)
	case host.StepClone:
		return false, h.clones(s, &own)
	case host.StepFinish:
		return true, h.finishes()
	}
	return false, fmt.Errorf("a rewind of the data was cut short or has failed, and %w: the data may be of two servers; "+
		"%s make its data anew from the primary, with pg_basebackup, and remove %s", h.noWay, h.wayOut(), h.markerPath())
}

// at has the marker say, durably, that a stage begins.
func (h *helper) at(s host.Stage) error {
	h.marker.Stage = s
	return WriteDurably(h.markerPath(), h.marker.Marshal())
}

// rewinds comes back without an error if the rewind fails: a clone may follow.
func (h *helper) rewinds(s source, own *host.Data) error {
	if err := h.at(host.StageRecovering); err != nil {
		return err
	}
	h.say("recovers alone")
	h.does(Recovers, "", nil)
	if err := h.recoversAlone(); err != nil {
		return h.fails("its recovery alone", err)
	}
	if h.stops.asked() {
		return errStopped
	}
	if err := errors.Join(h.at(host.StageRewinding), h.putAside()); err != nil {
		return err
	}
	h.say("rewinds its data onto the primary at %s", s.address)
	h.does(Rewinds, s.address, nil)
	if err := h.rewind(s.address); err != nil {
		return h.fails("pg_rewind", err)
	}
	if err := h.isStill(s, own); err != nil {
		return h.fails("the rewind", err)
	}
	return h.made(s, h.DataDir)
}

// fails says why a rewind did not come to its end.
func (h *helper) fails(what string, err error) error {
	h.failed = true
	if h.stops.asked() {
		return errStopped
	}
	h.say("%s has failed: %v", what, err)
	return nil
}

// clones comes back without an error if it fails: it is tried again.
func (h *helper) clones(s source, own *host.Data) error {
	if err := errors.Join(h.at(host.StageCloning), h.putAside()); err != nil {
		return err
	}
	h.say("clones the primary at %s", s.address)
	h.does(Clones, s.address, nil)
	err := h.clone(s.address)
	if err == nil {
		err = h.isStill(s, own)
	}
	if err != nil {
		h.say("the clone has failed, and is tried again: %v", err)
		h.does(Clones, s.address, err)
		return h.stops.wait(againEvery)
	}
	return h.made(s, h.newDir())
}

// made notes whose the data is that lies in a directory.
func (h *helper) made(s source, dir string) error {
	note, err := readNote(filepath.Join(dir, host.DataFile))
	if err != nil {
		return fmt.Errorf("the note of the primary that the data was made from: %w", err)
	}
	h.marker.From = host.Source{Notes: note.Notes, Epoch: s.asked.Epoch, Timeline: s.asked.Timeline}
	return h.at(host.StageMade)
}

// finishes puts the data in place and the own files back. Each part can be done again.
func (h *helper) finishes() error {
	h.does(Finishes, "", nil)
	if h.marker.Stage == host.StageMade {
		if err := errors.Join(h.putInPlace(), h.clearsOthers(), h.at(host.StageBack)); err != nil {
			return err
		}
	}
	// The data of before was this process's working directory, by which a server's processes are known.
	if err := os.Chdir(h.DataDir); err != nil {
		return err
	}
	if err := h.putBack(); err != nil {
		return err
	}
	if err := h.notes(); err != nil {
		return err
	}
	if err := WriteDurably(filepath.Join(h.DataDir, "standby.signal"), nil); err != nil {
		return err
	}
	h.say("the data is made anew from epoch %d, and the server starts", h.marker.From.Epoch)
	return errors.Join(os.RemoveAll(h.named+failedSuffix), h.forgets())
}

// notes carries out the last acts of a rejoin.
func (h *helper) notes() error {
	own, err := readNote(filepath.Join(h.DataDir, host.DataFile))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(h.Store, host.StoreFile))
	if err != nil {
		return err
	}
	store, err := host.UnmarshalStore(text)
	if err != nil {
		return err
	}
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	for _, a := range h.marker.Ends(own, store, binary.LittleEndian.Uint64(b[:])|1) {
		switch a := a.(type) {
		case host.NoteData:
			err = WriteDurably(filepath.Join(h.DataDir, host.DataFile), a.Data.Marshal())
		case host.NoteStore:
			err = WriteDurably(filepath.Join(h.Store, host.StoreFile), a.Store.Marshal())
		default:
			err = fmt.Errorf("nobody does %T at the end of a rejoin", a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgets is the end of a rejoin.
func (h *helper) forgets() error {
	if err := errors.Join(os.RemoveAll(h.asideDir()), os.RemoveAll(h.asideDir()+partSuffix), os.RemoveAll(h.DataDir+lockSuffix), os.RemoveAll(h.named+progressSuffix)); err != nil {
		return err
	}
	return RemoveDurably(h.markerPath())
}

// ownNote is the server's own note, wherever it lies.
func (h *helper) ownNote() (host.Data, error) {
	d, err := readNote(filepath.Join(h.asideDir(), host.DataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return readNote(filepath.Join(h.DataDir, host.DataFile))
	}
	return d, err
}

func readNote(path string) (host.Data, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return host.Data{}, err
	}
	return host.UnmarshalData(text)
}

func (h *helper) markerPath() string { return h.named + host.MarkerSuffix }
func (h *helper) asideDir() string   { return h.DataDir + ".pgraft_aside" }
func (h *helper) newDir() string     { return h.DataDir + ".pgraft_new" }

func (h *helper) say(format string, args ...any) {
	fmt.Fprintf(h.Log, "%s [%d] pgraft rejoin: %s\n", time.Now().Format("2006-01-02 15:04:05.000 MST"), os.Getpid(), fmt.Sprintf(format, args...))
}
