package node_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// servers are models of PostgreSQL servers in memory, of which one streams to the others. mu
// guards all of them: what one does is a step that no other one is in the middle of.
type servers struct {
	t   testing.TB
	mu  sync.Mutex
	all []*server
}

// server is one of them. It implements node.Server.
type server struct {
	x       *servers
	m       *member
	port    net.Listener // of its PostgreSQL; nil: it is down
	address string

	// On its disk.
	data    host.Data
	wal     []record
	history []failover.Branch
	files   map[uint32]bool // timelines that have a history file

	// Of this start.
	up, recovery bool
	source       string // where primary_conninfo leads; "": nowhere
	token        failover.Token
	promote      uint32 // the timeline that it is being promoted to
	ending       int    // steps until the startup process has the setting
	flushing     bool   // WAL is flushed by itself
	flushed      int    // records
	committing   int
	mem          host.Memory
	shared       failover.Shared
	version      uint64
	primary      uint64
	restarts     chan host.Cause // that were asked for
	hid          bool            // shared memory said once that nobody may read
	checkpointed uint64
	stops        chan struct{} // closed once it has stopped by itself
	done         []string      // the kinds of acts, in their order
	fails        error         // of each call but Publish
	hangs        chan struct{} // a call returns once it is closed
	hung         atomic.Bool   // one has not
	nonce        uint64        // that the test has seen last
}

// record is a WAL record: what a commit wrote, or the begin of a timeline.
type record struct {
	timeline uint32
	end      uint64
	crc      uint32
	text     string
}

// recordBytes is the length of a record; checkpoint is where the one of pg_control begins.
const (
	recordBytes = 100
	checkpoint  = 50
	system      = 7
)

// newServers makes n servers, of which the first takes writes and the others stream.
func newServers(t testing.TB, n int) *servers {
	x := &servers{t: t}
	for range n {
		v := &server{x: x, history: []failover.Branch{{Timeline: 1}}, files: map[uint32]bool{}, flushing: true, restarts: make(chan host.Cause, 100), stops: make(chan struct{})}
		v.listens("127.0.0.1:0")
		v.wal = append(v.wal, record{1, recordBytes, 1, "the first"})
		v.up, v.recovery, v.flushed = true, len(x.all) > 0, 1
		if v.recovery {
			v.source = x.all[0].address
		}
		v.shared.Reads = true
		x.all = append(x.all, v)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				x.step()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		for _, v := range x.all {
			v.closes()
		}
	})
	return x
}

// listens takes connections on an address, and does nothing with them.
func (v *server) listens(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		v.x.t.Fatal(err)
	}
	v.port, v.address = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it is down
			}
			c.Close() // whoever it was has seen that somebody listens
		}
	}()
}

func (v *server) closes() {
	if v.port != nil {
		v.port.Close() // nothing is under way on it
		v.port = nil
	}
}

// kill ends a server as SIGKILL does.
func (v *server) kill() {
	v.x.mu.Lock()
	defer v.x.mu.Unlock()
	v.up, v.wal = false, v.wal[:v.flushed]
	v.closes()
}

// boot starts one as the library does: as a standby where a note says that it takes part.
func (v *server) boot() {
	v.x.mu.Lock()
	defer v.x.mu.Unlock()
	if v.port == nil {
		v.listens(v.address)
	}
	v.up, v.recovery, v.source, v.token, v.promote, v.ending = true, v.recovery || v.data.Joined, "", failover.Token{}, 0, 0
	v.mem.Starts()
	v.committing = 0
	v.publish(host.Unknown(&host.Notes{Data: v.data}, v.shared.Reads, v.recovery), 0)
}

func (v *server) publish(s failover.Shared, primary uint64) {
	v.shared, v.primary = s, primary
	v.version++
}

// step is what happens by itself.
func (x *servers) step() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, v := range x.all {
		if !v.up {
			continue
		}
		if v.ending > 0 {
			v.ending--
		}
		if p := v.sender(); p != nil {
			v.wal = append(v.wal, p.wal[len(v.wal):p.flushed]...)
			v.flushed = len(v.wal)
			v.history = p.history[:slices.IndexFunc(p.history, func(b failover.Branch) bool { return b.Timeline == v.last().timeline })+1]
		}
		if v.promote > 0 {
			end := v.last().end
			v.history = append(slices.Clip(v.history), failover.Branch{Timeline: v.promote, Begin: end})
			v.files[v.promote] = true
			v.recovery, v.source = false, ""
			v.writes(v.promote, "the begin of the timeline")
			v.promote = 0
		}
		if v.flushing {
			v.flushed = len(v.wal)
		}
	}
}

func (v *server) writes(timeline uint32, text string) record {
	r := record{timeline: timeline, end: v.last().end + recordBytes, text: text}
	r.crc = crc32.ChecksumIEEE(fmt.Append(nil, timeline, r.end, text, v.m.cfg.NodeID))
	v.wal = append(v.wal, r)
	return r
}

func (v *server) last() record { return v.wal[len(v.wal)-1] }

// sender is the server that this one gets WAL from, nil if none.
func (v *server) sender() *server {
	i := slices.IndexFunc(v.x.all, func(p *server) bool { return p.address == v.source })
	if i < 0 || !v.recovery {
		return nil
	}
	p := v.x.all[i]
	s := &p.shared
	announced := s.Primary && v.token.Epoch == s.Epoch && v.token.Boot == s.Boot
	if !p.up || p.recovery || s.Failover && !announced || len(p.wal) < len(v.wal) || !slices.Equal(v.wal, p.wal[:len(v.wal)]) {
		return nil
	}
	return p
}

func (v *server) sum(to uint64) uint32 {
	var b []byte
	for _, r := range v.wal {
		if r.end <= to {
			b = fmt.Append(b, r)
		}
	}
	return crc32.ChecksumIEEE(b)
}

var errDown = errors.New("the server is down")

// call is for each call of the node: it holds mu until the returned function is called.
func (v *server) call() (func(), error) {
	v.x.mu.Lock()
	if hangs := v.hangs; hangs != nil {
		v.x.mu.Unlock()
		v.hung.Store(true)
		<-hangs
		v.x.mu.Lock()
	}
	err := v.fails
	if err == nil && !v.up {
		err = errDown
	}
	return v.x.mu.Unlock, err
}

func (v *server) Data() (host.Data, error) {
	end, err := v.call()
	defer end()
	return v.data.Clone(), err
}

func (v *server) Memory() (host.Memory, error) {
	end, err := v.call()
	defer end()
	return v.mem, err
}

func (v *server) Remember(m host.Memory) error {
	end, err := v.call()
	defer end()
	if err == nil {
		v.mem = m
	}
	return err
}

func (v *server) Look(prove bool) (host.Seen, error) {
	end, err := v.call()
	defer end()
	if err != nil {
		return host.Seen{}, err
	}
	if !v.recovery && v.mem.Promoting != 0 {
		i := slices.IndexFunc(v.wal, func(r record) bool { return r.timeline == v.last().timeline })
		v.mem.Promoting, v.mem.Fork = 0, v.wal[i].end
	}
	r, flushed := v.last(), v.wal[v.flushed-1].end
	s := host.Seen{Address: v.address, Priority: 100, Recovery: v.recovery, Production: !v.recovery, Promotes: v.promote > 0,
		Receives: v.sender() != nil, Source: v.source != "", Last: r.timeline, Timeline: r.timeline, History: slices.Clone(v.history),
		Replayed: r.end, Inserted: r.end, Flushed: flushed, Checkpoint: max(checkpoint, v.checkpointed), Commits: v.committing > 0, NamesInForce: true}
	if v.recovery {
		s.End = host.End{Timeline: r.timeline, LSN: r.end, Record: failover.Record{LSN: r.end, CRC: r.crc}}
		if s.Receives {
			s.Received = r.end
		}
		if prove {
			s.End.Record.From, s.End.Record.Sum = checkpoint, v.sum(r.end)
		}
	}
	for t := range v.files {
		s.Histories = append(s.Histories, t)
	}
	for _, o := range v.x.all {
		if o != v && o.up && o.token != (failover.Token{}) && o.sender() == v {
			s.Senders = append(s.Senders, failover.Sender{Token: o.token, Flushed: o.last().end})
		}
	}
	return s, nil
}

func (v *server) Do(a host.Act) error {
	end, err := v.call()
	defer end()
	if err != nil {
		return err
	}
	v.done = append(v.done, fmt.Sprintf("%T", a)[len("host."):])
	switch a := a.(type) {
	case host.NoteData:
		v.data = a.Data.Clone()
	case host.WriteHistory:
		v.files[a.History[len(a.History)-1].Timeline] = true
	case host.RemoveHistory:
		delete(v.files, a.Timeline)
	case host.EndSources:
		v.source, v.token, v.ending = "", failover.Token{}, 2
	case host.Stream:
		v.source, v.token = a.Address, a.Token
	case host.PutNames, host.EndSessions, host.ResumeReplay:
	case host.MakeCheckpoint:
		v.checkpointed = v.wal[v.flushed-1].end
	case host.FastStop:
		v.stopsFast()
	case host.Promote:
		v.promote = a.Timeline
	case host.Restart:
		v.restarts <- a.For
	default:
		return fmt.Errorf("no server does %T", a)
	}
	return nil
}

func (v *server) LookUp(o failover.Compare) (have bool, ends failover.Record, err error) {
	end, err := v.call()
	defer end()
	i := slices.IndexFunc(v.wal, func(r record) bool { return r.end == o.Record.LSN })
	if err != nil || i < 0 {
		return err == nil && v.last().end >= o.Record.LSN, failover.Record{}, err
	}
	ends = failover.Record{LSN: v.wal[i].end, CRC: v.wal[i].crc}
	if o.Record.From > 0 {
		ends.From, ends.Sum = o.Record.From, v.sum(v.wal[i].end)
	}
	return true, ends, nil
}

func (v *server) SourcesEnded() (bool, error) {
	end, err := v.call()
	defer end()
	return v.ending == 0 && v.source == "", err
}

func (v *server) Flush(lsn uint64) error {
	end, err := v.call()
	defer end()
	for err == nil && v.wal[v.flushed-1].end < lsn {
		v.flushed++
	}
	return err
}

// Keep says that all WAL stays.
func (v *server) Keep([]uint64) (from uint64, err error) {
	end, err := v.call()
	defer end()
	return v.wal[0].end, err
}

func (v *server) Publish(s failover.Shared, primary uint64, address string) {
	v.x.mu.Lock()
	defer v.x.mu.Unlock()
	v.hid = v.hid || !s.Reads
	v.publish(s, primary)
}
