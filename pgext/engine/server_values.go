package main

// #include "engine.h"
import "C"

import (
	"fmt"
	"net"
	"strings"
	"unsafe"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// What C says of the server, and what it is told, as package failover and its host have it.

type (
	servedC = C.PgraftServed
	seenC   = C.PgraftSeen
	serveC  = C.PgraftServe
	forkC   = C.PgraftFork
	senderC = C.PgraftSeenSender
	recordC = C.PgraftEvidence
	numberC = C.uint32_t
)

// readServed copies what C owns.
func readServed(c *servedC) served {
	if c.error != nil {
		return served{err: fmt.Errorf("%s", C.GoStringN(c.error, C.int(c.error_len)))}
	}
	return served{yes: c.yes != 0, text: C.GoBytes(unsafe.Pointer(c.text), C.int(c.len)), record: recordOf(&c.record),
		memory: hostMemory(&c.memory), seen: lookOf(&c.seen)}
}

func recordOf(c *recordC) failover.Record {
	return failover.Record{LSN: uint64(c.lsn), CRC: uint32(c.crc), From: uint64(c.from), Sum: uint32(c.sum)}
}

// lookOf is a look. The node and the settings fill in the rest.
func lookOf(c *seenC) host.Seen {
	s := host.Seen{
		Recovery: c.recovery != 0, Production: c.recovery == 0 && c.stopping == 0, Stopping: c.stopping != 0,
		WillPromote: c.promote_file != 0 || c.promotes != 0, Promotes: c.promotes != 0, HoldsHalf: c.half != 0,
		Receives: c.receives != 0, Source: c.source != 0, Last: uint32(c.last), Timeline: uint32(c.timeline),
		Replayed: uint64(c.replayed), Received: uint64(c.received), Inserted: uint64(c.inserted), Flushed: uint64(c.flushed),
		Checkpoint: uint64(c.redo), Commits: c.commits != 0, NamesInForce: c.names_in_force != 0,
	}
	for _, f := range unsafe.Slice(c.history, int(c.nhistory)) {
		s.History = append(s.History, failover.Branch{Timeline: uint32(f.timeline), Begin: uint64(f.begin)})
	}
	for _, t := range unsafe.Slice(c.histories, int(c.nhistories)) {
		s.Histories = append(s.Histories, uint32(t))
		s.Astray = s.Astray || uint32(t) > s.Last // recovery aims at it, or will
	}
	for _, x := range unsafe.Slice(c.senders, int(c.nsenders)) {
		s.Senders = append(s.Senders, failover.Sender{Token: hostToken(&x.token), Flushed: uint64(x.flushed)})
	}
	if s.Recovery {
		s.End = host.End{Timeline: uint32(c.end_timeline), LSN: uint64(c.record.lsn), Record: recordOf(&c.record)}
		s.Consistent = c.consistent != 0
		s.Short = uint64(c.min_recovery) > s.End.LSN || c.backup_start != 0 && s.Replayed >= s.End.LSN
	}
	return s
}

func hostToken(c *C.PgraftToken) failover.Token {
	return failover.Token{Epoch: uint64(c.epoch), Boot: uint64(c.boot), Member: uint64(c.member), Follow: uint64(c.follow)}
}

func hostMemory(c *C.PgraftMemory) host.Memory {
	m := host.Memory{Promoting: uint64(c.promoting), Fork: uint64(c.fork), Follows: hostToken(&c.follows), Lacks: c.lacks != 0, Ended: c.ended != 0,
		Founding: uint64(c.founding), FoundingEnd: uint64(c.founding_end), Damage: failover.Quarantined(c.damage),
		Names: failover.Names{Epoch: uint64(c.names.epoch), Boot: uint64(c.names.boot), Number: uint64(c.names.number), W: uint32(c.names.w)}}
	for _, id := range c.names.members[:c.names.nmembers] {
		m.Names.Members = append(m.Names.Members, uint64(id))
	}
	for i := range c.names.tokens[:c.names.ntokens] {
		m.Names.Tokens = append(m.Names.Tokens, hostToken(&c.names.tokens[i]))
	}
	return m
}

func memoryOf(m *host.Memory) C.PgraftMemory {
	c := C.PgraftMemory{promoting: C.uint64_t(m.Promoting), fork: C.uint64_t(m.Fork), follows: tokenOf(m.Follows), lacks: flag(m.Lacks), ended: flag(m.Ended),
		founding: C.uint64_t(m.Founding), founding_end: C.uint64_t(m.FoundingEnd), damage: C.uint32_t(m.Damage)}
	n := &c.names
	n.epoch, n.boot, n.number, n.w = C.uint64_t(m.Names.Epoch), C.uint64_t(m.Names.Boot), C.uint64_t(m.Names.Number), C.uint32_t(m.Names.W)
	for i, id := range m.Names.Members {
		n.members[i] = C.uint64_t(id)
	}
	for i, t := range m.Names.Tokens {
		n.tokens[i] = tokenOf(t)
	}
	n.nmembers, n.ntokens = C.uint32_t(len(m.Names.Members)), C.uint64_t(len(m.Names.Tokens))
	return c
}

// forksOf is a history as bytes.
func forksOf(h []failover.Branch) (b []byte) {
	for _, x := range h {
		b = append(b, bytesOf(&forkC{begin: C.uint64_t(x.Begin), timeline: C.uint64_t(x.Timeline)})...)
	}
	return b
}

// conninfoOf is primary_conninfo: what the settings say, then where the primary is, and as whom
// this server streams from it. Of a keyword that comes twice the last one counts.
func conninfoOf(setting, address, name string) (string, error) {
	h, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("the address of the primary: %w", err)
	}
	return strings.TrimSpace(fmt.Sprintf("%s host='%s' port=%s application_name=%s", setting, escapeValue.Replace(h), port, name)), nil
}

// escapeValue is for a value in quotes, in a connection string.
var escapeValue = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
