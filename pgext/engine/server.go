package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// server is the PostgreSQL server that the engine runs in, as node.Server has it. What it has
// done is done by the worker's main thread, which calls served.
type server struct {
	e *engine

	mu    sync.Mutex
	last  uint64 // call
	calls map[uint64]chan served

	slots slots

	// Of the goroutine that calls it:
	names string    // synchronous_standby_names, as they were put last
	put   time.Time // when; zero: never by this engine
}

// served is how a call went.
type served struct {
	err    error
	yes    bool
	text   []byte
	record failover.Record
	memory host.Memory
	seen   host.Seen
}

// errEnds is what a call gets that is not answered any more.
var errEnds = errors.New("the engine ends")

func newServer(e *engine) *server { return &server{e: e, calls: map[uint64]chan served{}} }

// serve has the main thread do something, and waits for that.
func (s *server) serve(x serveC, payload []byte) (served, error) {
	answer := make(chan served, 1)
	s.mu.Lock()
	s.last++
	id := s.last
	s.calls[id] = answer
	s.mu.Unlock()
	x.len = C.uint32_t(len(payload))
	s.e.records.serve(id, func(b []byte) []byte { return append(append(b, bytesOf(&x)...), payload...) })
	select {
	case a := <-answer:
		return a, a.err
	case <-s.e.ended.Done():
		s.mu.Lock()
		delete(s.calls, id)
		s.mu.Unlock()
		return served{}, errEnds
	}
}

// served takes an answer.
func (s *server) served(id uint64, a served) {
	s.mu.Lock()
	answer := s.calls[id]
	delete(s.calls, id)
	s.mu.Unlock()
	if answer != nil {
		answer <- a
	}
}

// bytesOf is a value of C's as bytes.
func bytesOf[T any](x *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(x)), unsafe.Sizeof(*x)) }

func (s *server) Data() (host.Data, error) {
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_READ_NOTE}, nil)
	if err != nil || !a.yes {
		return host.Data{}, err
	}
	return host.UnmarshalData(a.text)
}

func (s *server) Memory() (host.Memory, error) {
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_MEMORY}, nil)
	return a.memory, err
}

func (s *server) Remember(m host.Memory) error {
	x := memoryOf(&m)
	_, err := s.serve(serveC{kind: C.PGRAFT_SERVE_REMEMBER}, bytesOf(&x))
	return err
}

func (s *server) Look(prove bool) (host.Seen, error) {
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_LOOK, prove: flag(prove)}, []byte(s.names))
	if err != nil {
		return host.Seen{}, err
	}
	c := s.e.config()
	a.seen.Address, a.seen.Priority = c.serverAddress(), c.priority
	return a.seen, nil
}

func (s *server) SourcesEnded() (bool, error) {
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_SOURCES_ENDED}, nil)
	return a.yes, err
}

func (s *server) Flush(lsn uint64) error {
	_, err := s.serve(serveC{kind: C.PGRAFT_SERVE_FLUSH, lsn: C.uint64_t(lsn)}, nil)
	return err
}

func (s *server) LookUp(o failover.Compare) (have bool, ends failover.Record, err error) {
	a, err := s.serve(serveC{kind: C.PGRAFT_SERVE_LOOK_UP, timeline: C.uint32_t(o.Timeline),
		lsn: C.uint64_t(o.Record.LSN), from: C.uint64_t(o.Record.From)}, nil)
	return a.yes, a.record, err
}

func (s *server) Publish(shared failover.Shared, primary uint64, address string) {
	s.e.fence(fenceOf(shared, primary, address))
}

// Do carries out an act.
func (s *server) Do(a host.Act) error {
	switch a := a.(type) {
	case host.NoteData:
		return s.does(serveC{kind: C.PGRAFT_SERVE_WRITE_NOTE}, a.Data.Marshal())
	case host.WriteHistory:
		return s.does(serveC{kind: C.PGRAFT_SERVE_WRITE_HISTORY}, forksOf(a.History))
	case host.RemoveHistory:
		return s.does(serveC{kind: C.PGRAFT_SERVE_REMOVE_HISTORY, timeline: C.uint32_t(a.Timeline)}, nil)
	case host.EndSources:
		return s.does(serveC{kind: C.PGRAFT_SERVE_END_SOURCES}, nil)
	case host.Stream:
		return s.stream(a)
	case host.PutNames:
		return s.putNames(a.Names)
	case host.EndSessions:
		return s.does(serveC{kind: C.PGRAFT_SERVE_END_SESSIONS}, nil)
	case host.ResumeReplay:
		return s.does(serveC{kind: C.PGRAFT_SERVE_RESUME_REPLAY}, nil)
	case host.Promote:
		return s.does(serveC{kind: C.PGRAFT_SERVE_PROMOTE, timeline: C.uint32_t(a.Timeline)}, nil)
	case host.Restart:
		s.e.logger.Info(fmt.Sprintf("the server restarts in place, %v", a.For))
		return s.does(serveC{kind: C.PGRAFT_SERVE_RESTART}, nil)
	case host.MakeCheckpoint:
		return s.does(serveC{kind: C.PGRAFT_SERVE_CHECKPOINT}, nil)
	case host.FastStop:
		return s.does(serveC{kind: C.PGRAFT_SERVE_FAST_STOP}, nil)
	case host.BeginRejoin:
		return s.rejoin(a.Order)
	}
	return fmt.Errorf("no server does %T", a)
}

// What becomes of data that has diverged, where the settings leave it to people.
var (
	errNoRejoin = errors.New("this server's WAL has diverged from the primary's, or the primary lacks WAL that it needs: " +
		"set pgraft.rejoin, or stop it, make its data anew with pg_rewind or pg_basebackup, and start it")
	errNoClone = errors.New("this server's data cannot be rewound, as the primary lacks WAL that it needs, or its WAL was given up: " +
		"set pgraft.rejoin to clone, or stop it, make its data anew with pg_basebackup, and start it")
)

// othersLimit is how long the node may take to say where the members' servers are.
const othersLimit = time.Second

// rejoin has the server's data made anew, in its place: it ends, and this engine with it.
func (s *server) rejoin(o failover.Rejoin) error {
	switch way := s.e.config().rejoin; {
	case way == C.PGRAFT_REJOIN_OFF:
		return errNoRejoin
	case way == C.PGRAFT_REJOIN_REWIND && o.Clone:
		return errNoClone
	}
	x := host.Rejoining{Order: o}
	ctx, cancel := context.WithTimeout(context.Background(), othersLimit)
	defer cancel()
	f, err := s.e.node.Failover(ctx)
	if err != nil {
		return err
	}
	for _, m := range f.State.Members {
		if m.Data && m.ID != f.RaftID && m.ID != o.Primary {
			x.Others = append(x.Others, m.Address)
		}
	}
	s.e.logger.Info(fmt.Sprintf("the server's data is made anew from the primary at %s, in epoch %d", o.Address, o.Epoch))
	return s.does(serveC{kind: C.PGRAFT_SERVE_REJOIN}, x.Marshal())
}

func (s *server) does(x serveC, payload []byte) error {
	_, err := s.serve(x, payload)
	return err
}

func (s *server) stream(a host.Stream) error {
	conninfo, err := conninfoOf(s.e.config().conninfo, a.Address, host.TokenName(a.Token))
	if err != nil {
		return err
	}
	x := serveC{kind: C.PGRAFT_SERVE_STREAM}
	putName(&x.slot, a.Token.Member)
	return s.does(x, []byte(conninfo))
}

// putAgain is when the same names are written anew: not all processes have them yet, or
// somebody has changed them.
const putAgain = time.Second

func (s *server) putNames(n failover.Names) error {
	names := namesSetting(&n)
	if s.names == names && time.Since(s.put) < putAgain {
		return nil
	}
	err := s.does(serveC{kind: C.PGRAFT_SERVE_PUT_NAMES}, []byte(names))
	if err == nil {
		s.names, s.put = names, time.Now()
	}
	return err
}

// namesSetting is synchronous_standby_names.
func namesSetting(n *failover.Names) string {
	if n.W == 0 {
		return ""
	}
	return fmt.Sprintf(`ANY %d ("%s")`, n.W, strings.Join(host.StandbyNames(n), `", "`))
}
