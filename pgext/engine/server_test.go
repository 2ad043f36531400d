package main

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/node"
)

// What C sees of a server, as core/failover/host has it.
func TestLookOf(t *testing.T) {
	history := [...]forkC{{timeline: 1}, {begin: 100, timeline: 4}}
	histories := [...]numberC{4, 3}
	above := [...]numberC{4, 5}
	token := failover.Token{Epoch: 1, Boot: 2, Member: 3, Follow: 4}
	senders := [...]senderC{{token: tokenOf(token), flushed: 77}}
	for _, c := range []struct {
		name string
		seen seenC
		want host.Seen
	}{
		{"a primary", seenC{last: 4, timeline: 4, inserted: 12, flushed: 11, redo: 10, names_in_force: 1, commits: 1,
			history: &history[0], nhistory: 2, senders: &senders[0], nsenders: 1, min_recovery: 9},
			host.Seen{Production: true, Last: 4, Timeline: 4, Inserted: 12, Flushed: 11, Checkpoint: 10, NamesInForce: true, Commits: true,
				History: []failover.Branch{{Timeline: 1}, {Timeline: 4, Begin: 100}}, Senders: []failover.Sender{{Token: token, Flushed: 77}}}},
		{"a primary that stops", seenC{stopping: 1, last: 4, timeline: 4}, host.Seen{Stopping: true, Last: 4, Timeline: 4}},
		{"a standby", seenC{recovery: 1, receives: 1, source: 1, last: 4, timeline: 1, end_timeline: 4, replayed: 98, received: 110,
			record: recordC{lsn: 120, from: 90, crc: 5, sum: 6}, history: &history[0], nhistory: 2,
			histories: &histories[0], nhistories: 2, min_recovery: 120},
			host.Seen{Recovery: true, Receives: true, Source: true, Last: 4, Timeline: 1, Replayed: 98, Received: 110,
				End:     host.End{Timeline: 4, LSN: 120, Record: failover.Record{LSN: 120, From: 90, CRC: 5, Sum: 6}},
				History: []failover.Branch{{Timeline: 1}, {Timeline: 4, Begin: 100}}, Histories: []uint32{4, 3}}},
		{"a history above the last timeline", seenC{recovery: 1, last: 4, histories: &above[0], nhistories: 2},
			host.Seen{Recovery: true, Last: 4, Histories: []uint32{4, 5}, Astray: true}},
		{"half a record", seenC{recovery: 1, half: 1}, host.Seen{Recovery: true, HoldsHalf: true}},
		{"asked to promote", seenC{recovery: 1, promote_file: 1}, host.Seen{Recovery: true, WillPromote: true}},
		{"promoting", seenC{recovery: 1, promotes: 1}, host.Seen{Recovery: true, WillPromote: true, Promotes: true}},
		{"short of what its pages need", seenC{recovery: 1, record: recordC{lsn: 10}, min_recovery: 11},
			host.Seen{Recovery: true, Short: true, End: host.End{LSN: 10, Record: failover.Record{LSN: 10}}}},
		{"short of a backup's end", seenC{recovery: 1, record: recordC{lsn: 10}, replayed: 10, backup_start: 1},
			host.Seen{Recovery: true, Short: true, Replayed: 10, End: host.End{LSN: 10, Record: failover.Record{LSN: 10}}}},
		{"on its way to a backup's end", seenC{recovery: 1, record: recordC{lsn: 10}, replayed: 9, backup_start: 1},
			host.Seen{Recovery: true, Replayed: 9, End: host.End{LSN: 10, Record: failover.Record{LSN: 10}}}},
	} {
		if got := lookOf(&c.seen); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

// A memory comes back from C as it was, each field of it.
func TestMemoryOf(t *testing.T) {
	tokens := []failover.Token{{Epoch: 1, Boot: 2, Member: 3, Follow: 4}, {Epoch: 1, Boot: 2, Member: 5, Follow: 6}}
	full := host.Memory{Promoting: 1, Fork: 2, Follows: tokens[1], Lacks: true, Ended: true, Founding: 3, FoundingEnd: 4, Damage: failover.QuarantinedUnguarded,
		Names: failover.Names{Epoch: 5, Boot: 6, W: 7, Members: []uint64{3, 5, 8}, Tokens: tokens, Number: 9}}
	for i := range reflect.TypeFor[host.Memory]().NumField() {
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Fatalf("the test leaves out %s", reflect.TypeFor[host.Memory]().Field(i).Name)
		}
	}
	for _, m := range []host.Memory{{}, full} {
		c := memoryOf(&m)
		if got := hostMemory(&c); !reflect.DeepEqual(got, m) {
			t.Errorf("%+v becomes %+v", m, got)
		}
	}
}

func TestNamesSetting(t *testing.T) {
	b, c := core.RaftID(1, 2), core.RaftID(1, 3)
	n := failover.Names{W: 1, Members: []uint64{b, c}, Tokens: []failover.Token{{Epoch: 1, Boot: 1, Member: c, Follow: 7}}}
	if got, want := namesSetting(&n), `ANY 1 ("pgraft-nobody-1z141z6", "pgraft-1-1-1z141z7-7")`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n.W = 0; namesSetting(&n) != "" {
		t.Errorf("nobody is waited for, and the names are %q", namesSetting(&n))
	}
}

func TestConninfoOf(t *testing.T) {
	for _, c := range []struct{ setting, address, want string }{
		{"", "10.0.0.1:5432", "host='10.0.0.1' port=5432 application_name=x"},
		{"user=repl sslmode=require", "[fd00::1]:5433", "user=repl sslmode=require host='fd00::1' port=5433 application_name=x"},
		{"", `a'b\c:1`, `host='a\'b\\c' port=1 application_name=x`},
	} {
		if got, err := conninfoOf(c.setting, c.address, "x"); err != nil || got != c.want {
			t.Errorf("%q, %q: %q, %v; want %q", c.setting, c.address, got, err, c.want)
		}
	}
	if _, err := conninfoOf("", "10.0.0.1", "x"); err == nil {
		t.Error("an address without a port is no error")
	}
}

// What the server is to do arrives at the main thread, and its answer comes back.
func TestServe(t *testing.T) {
	b, _ := newBell(t)
	e := newEngine(config{failover: true}, newRecords(b), func(*status) {})
	s := e.server
	put := func(n failover.Names, answer string) (asked bool, err error) {
		done := make(chan error, 1)
		go func() { done <- s.Do(host.PutNames{Names: n}) }()
		for {
			select {
			case err := <-done:
				return asked, err
			case <-time.After(time.Millisecond):
			}
			if id, payload := drainServe(t, e); id != 0 {
				if asked = true; string(payload) != namesSetting(&n) {
					t.Fatalf("the main thread is asked to put %q", payload)
				}
				s.served(id+1, served{err: errors.New("nobody asked for this")})
				a := readServed(&servedC{})
				if answer != "" {
					a.err = errors.New(answer)
				}
				s.served(id, a)
			}
		}
	}
	n := failover.Names{W: 1, Members: []uint64{5}}
	if asked, err := put(n, "could not write"); !asked || err == nil || err.Error() != "could not write" {
		t.Errorf("asked: %v; an error becomes %v", asked, err)
	}
	if asked, err := put(n, ""); !asked || err != nil {
		t.Errorf("asked: %v; %v", asked, err)
	}
	if asked, err := put(n, ""); asked || err != nil {
		t.Errorf("the same names are written again at once: %v, %v", asked, err)
	}
	s.put = time.Now().Add(-2 * putAgain)
	if asked, err := put(n, ""); !asked || err != nil {
		t.Errorf("the same names are not written again: %v, %v", asked, err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Flush(5) }()
	e.end()
	if err := <-done; !errors.Is(err, errEnds) {
		t.Errorf("a call of an engine that ends returns %v", err)
	}
}

// drainServe takes a record of what is to be done; id 0: there is none.
func drainServe(t *testing.T, e *engine) (id uint64, payload []byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	n := e.records.drain(buf)
	if n == 0 {
		return 0, nil
	}
	var x serveC
	body := buf[headerBytes:][:binary.NativeEndian.Uint32(buf[lengthAt:])]
	copy(bytesOf(&x), body)
	if payload = body[unsafe.Sizeof(x):]; int(x.len) != len(payload) || strings.Trim(string(buf[headerBytes+len(body):n]), "\x00") != "" {
		t.Fatalf("a payload of %d bytes, and %d are said", len(payload), x.len)
	}
	return binary.NativeEndian.Uint64(buf[idAt:]), payload
}

// A server has slots for the others that take part with data, and lets WAL go up to where one
// has it that is on the same timeline.
func TestSlotsOf(t *testing.T) {
	a, b, c, d, w, gone := core.RaftID(1, 1), core.RaftID(1, 2), core.RaftID(1, 3), core.RaftID(1, 4), core.RaftID(1, 5), core.RaftID(1, 6)
	f := node.Failover{RaftID: a, Server: &failover.Server{History: []failover.Branch{{Timeline: 1}, {Timeline: 2, Begin: 10}}}}
	f.State.Mode = failover.ModeOn
	for _, id := range []uint64{d, c, b, a} {
		f.State.Members = append(f.State.Members, failover.Member{ID: id, Data: true, Joined: true})
	}
	f.State.Members = append(f.State.Members, failover.Member{ID: w, Joined: true}, failover.Member{ID: gone, Data: true})
	f.Said = append(f.Said, []failover.Said{
		{Member: b, Told: failover.Told{Server: true, Timeline: 2, End: 20}},
		{Member: c, Told: failover.Told{Server: true, Timeline: 1, End: 30}},
		{Member: d, Told: failover.Told{Server: true, Timeline: 2, End: 40, Untrusted: true}},
	}...)
	if got, want := slotsOf(&f, nil), []slotKept{{b, 20}, {c, 0}, {d, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := slotsOf(&f, []uint64{d, gone}), []slotKept{{b, 0}, {c, 0}, {d, 0}, {gone, 0}}; !slices.Equal(got, want) {
		t.Errorf("while members are asked to take part: %v, want %v", got, want)
	}
	f.State.Mode = failover.ModeFounding
	if got, want := slotsOf(&f, nil), []slotKept{{b, 0}, {c, 0}, {d, 0}}; !slices.Equal(got, want) {
		t.Errorf("while failover is being enabled: %v, want %v", got, want)
	}
	f.State.Mode = failover.ModeOff
	if got, want := slotsOf(&f, nil), []slotKept{{b, 20}, {c, 0}, {d, 0}, {gone, 0}}; !slices.Equal(got, want) {
		t.Errorf("the server that takes writes, once failover is disabled: %v, want %v", got, want)
	}
	f.Server.Recovery = true
	if got, want := slotsOf(&f, nil), []slotKept{{b, 20}, {c, 0}, {d, 0}}; !slices.Equal(got, want) {
		t.Errorf("another one: %v, want %v", got, want)
	}
	f.State.Mode = failover.ModeOn
	if f.Server = nil; slotsOf(&f, nil)[0].has != 0 {
		t.Error("a server that is not known lets WAL go")
	}
}
