//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// A request id is committed once, however often and wherever it is asked for,
// and every answer names the first place.
func proposesOnce(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	const id = "0d1f7c0a-54b2-4c4b-9a55-0b6f7a9c4e11"
	const data = "asked for three times"
	var first sqlapi.Place
	for i, server := range s.cluster.Servers {
		place, err := sqlapi.Propose(ctx, connect(ctx, t, server), data, id)
		must(t, err)
		if i == 0 {
			first = place
			s.ledger.record(data, nil)
		}
		if place != first || place.Index < 2 || place.Term < 1 {
			t.Errorf("node %d: the entry is at %+v, the first answer was %+v", server.NodeID, place, first)
		}
	}
	conn := connect(ctx, t, s.cluster.Servers[1])
	got, err := sqlapi.LogEntry(ctx, conn, first.Index)
	if err != nil || got == nil || *got != data {
		t.Errorf("index %d holds %v, %v; want %q", first.Index, got, err, data)
	}
	call{sql: "SELECT * FROM pgraft_propose('something else', $1)", args: []any{id}, state: "22023", words: []string{id}}.check(ctx, t, conn)

	// without an id each is an entry of its own
	a, err := sqlapi.Propose(ctx, conn, "twice", "")
	s.ledger.record("twice", err)
	must(t, err)
	b, err := sqlapi.Propose(ctx, conn, "twice", "")
	s.ledger.record("twice", err)
	must(t, err)
	if b.Index <= a.Index {
		t.Errorf("two proposals are at %+v and %+v", a, b)
	}
	// by name, and in every position of a query
	var index, term int64
	must(t, conn.QueryRow(ctx, "SELECT (pgraft_propose(data => 'by name', request_id => NULL)).*").Scan(&index, &term))
	s.ledger.record("by name", nil)
	for _, c := range []call{
		{sql: "SELECT * FROM pgraft_propose(NULL)", state: "22004"},
		{sql: "SELECT * FROM pgraft_propose(repeat('x', 1024 * 1024 + 1))", state: "54000", words: []string{"max_entry_size"}},
	} {
		c.check(ctx, t, conn)
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// pgraft_log_entries() shows what pgraft_log_get_entry() does, with Raft's own
// entries named, the same on all nodes, also over many pieces.
func showsTheLog(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	conn := connect(ctx, t, leader)
	s.ledger.replicate(ctx, t, conn, "")
	s.ledger.replicate(ctx, t, conn, strings.Repeat("é", 1<<19)) // a megabyte: a piece of its own
	const many = 1100                                            // more than one piece holds
	began := time.Now()
	var batch pgx.Batch
	for i := range many {
		batch.Queue("SELECT pgraft_replicate_entry($1)", fmt.Sprintf("row %d", i))
	}
	must(t, conn.SendBatch(ctx, &batch).Close())
	for i := range many {
		s.ledger.record(fmt.Sprintf("row %d", i), nil)
	}
	t.Logf("%d entries of one session in %s", many, time.Since(began).Round(time.Millisecond))
	s.settle(ctx, t)

	var first []sqlapi.LogRow
	for i, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		_, stats, err := look(ctx, server)
		must(t, err)
		rows, err := sqlapi.LogEntries(ctx, conn, 1, 1<<62)
		must(t, err)
		if int64(len(rows)) != stats.LastApplied {
			t.Fatalf("node %d: %d rows, the last index is %d", server.NodeID, len(rows), stats.LastApplied)
		}
		if i == 0 {
			first = rows
		}
		entries, err := sqlapi.Entries(ctx, conn, 1, stats.LastApplied)
		must(t, err)
		checkRows(t, server.NodeID, rows, first, entries)
		two, err := sqlapi.LogEntries(ctx, conn, 4, 5)
		if err != nil || len(two) != 2 || two[0].Index != 4 || two[1].Index != 5 {
			t.Errorf("node %d: rows 4 to 5 are %+v, %v", server.NodeID, two, err)
		}
		for _, r := range [][2]int64{{5, 4}, {stats.LastApplied + 1, stats.LastApplied + 10}} {
			if none, err := sqlapi.LogEntries(ctx, conn, r[0], r[1]); err != nil || len(none) != 0 {
				t.Errorf("node %d: rows %v are %+v, %v; want none", server.NodeID, r, none, err)
			}
		}
		for _, c := range []call{
			{sql: "SELECT * FROM pgraft_log_entries(0, 5)", state: "22003"},
			{sql: "SELECT * FROM pgraft_log_entries(NULL, 5)", state: "22004"},
			{sql: "SELECT * FROM pgraft_log_entries(1, NULL)", state: "22004"},
		} {
			c.check(ctx, t, conn)
		}
	}
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

func checkRows(t *testing.T, node int, rows, first []sqlapi.LogRow, entries []sqlapi.Entry) {
	t.Helper()
	kinds := map[string]int{}
	for i, r := range rows {
		kinds[strings.Fields(r.Kind)[0]]++
		f := first[i]
		if r.Index != int64(i+1) || r.Term < 1 || r.Index != f.Index || r.Term != f.Term || r.Kind != f.Kind {
			t.Fatalf("node %d: row %d is %d/%d %s, on node 1 %d/%d %s", node, i, r.Index, r.Term, r.Kind, f.Index, f.Term, f.Kind)
		}
		if (r.Kind == "data") != (r.Data != nil) {
			t.Fatalf("node %d: index %d is of kind %q and its data is %v", node, r.Index, r.Kind, r.Data)
		}
		if r.Data == nil {
			continue
		}
		if len(entries) == 0 || entries[0].Index != r.Index || entries[0].Data != *r.Data {
			t.Fatalf("node %d: index %d differs from what pgraft_log_get_entry() says", node, r.Index)
		}
		entries = entries[1:]
	}
	if kinds["data"] == 0 || kinds["leader"] == 0 || kinds["founding"] != 1 {
		t.Errorf("node %d: the kinds of rows are %v", node, kinds)
	}
}

// A read barrier on any node sees what was committed before it began; only the
// leader is confirmed, with its term.
func ordersReads(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	onLeader := connect(ctx, t, leader)
	follower := s.others(leader)[0]
	onFollower := connect(ctx, t, follower)
	for i := range 20 {
		data := fmt.Sprintf("before barrier %d", i)
		place, err := sqlapi.Propose(ctx, onLeader, data, "")
		s.ledger.record(data, err)
		must(t, err)
		point, err := sqlapi.ReadBarrier(ctx, onFollower)
		must(t, err)
		if point < place.Index {
			t.Errorf("a barrier after entry %d was committed answers %d", place.Index, point)
		}
		got, err := sqlapi.LogEntry(ctx, onFollower, place.Index)
		if err != nil || got == nil || *got != data {
			t.Errorf("after a barrier at %d, entry %d is %v, %v; want %q", point, place.Index, got, err, data)
		}
	}
	term, err := sqlapi.ConfirmLeader(ctx, onLeader)
	must(t, err)
	if known, err := sqlapi.Term(ctx, onLeader); err != nil || known != term {
		t.Errorf("pgraft_confirm_leader() = %d, pgraft_get_term() = %d, %v", term, known, err)
	}
	call{sql: "SELECT pgraft_confirm_leader()", state: "55000", hint: []string{fmt.Sprintf("node %d", leader.NodeID)}}.check(ctx, t, onFollower)

	_, stats, err := look(ctx, follower)
	must(t, err)
	for _, c := range []struct {
		index int64
		wait  string
		want  bool
	}{{1, "0", true}, {stats.LastApplied, "10s", true}, {stats.LastApplied + 1, "0", false}, {stats.LastApplied + 1, "200ms", false}} {
		began := time.Now()
		if ok, err := sqlapi.WaitApplied(ctx, onFollower, c.index, c.wait); err != nil || ok != c.want {
			t.Errorf("pgraft_wait_applied(%d, %s) = %v, %v; want %v", c.index, c.wait, ok, err, c.want)
		}
		between(t, "waiting for "+c.wait, time.Since(began), 0, 5*time.Second)
	}
	waited := make(chan error, 1)
	go func() {
		ok, err := sqlapi.WaitApplied(ctx, onFollower, stats.LastApplied+1, "30s")
		if err == nil && !ok {
			err = fmt.Errorf("pgraft_wait_applied(%d) = false", stats.LastApplied+1)
		}
		waited <- err
	}()
	s.ledger.replicate(ctx, t, onLeader, "what is waited for")
	must(t, <-waited)
	for _, c := range []call{
		{sql: "SELECT pgraft_wait_applied(0)", state: "22003"},
		{sql: "SELECT pgraft_wait_applied(NULL)", state: "22004"},
		{sql: "SELECT pgraft_wait_applied(1, NULL)", state: "22004"},
		{sql: "SELECT pgraft_wait_applied(1, '-1s')", state: "22023"},
	} {
		c.check(ctx, t, onFollower)
	}
}

// A planned switchover: to a node that is named, and to whichever is best.
// Nothing is lost, and at no time do two nodes lead.
func transfersLeadership(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	observer := observe(ctx, s.cluster.Servers)
	load := startLoad(ctx, "transfer", s.ledger, s.cluster.Servers)
	s.ledger.waitFor(ctx, t, entriesBetween)
	leader := s.leader(ctx, t)
	to := s.others(leader)[1]
	if ok, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, connect(ctx, t, leader), to.NodeID) }); err != nil || !ok {
		t.Fatalf("pgraft_transfer_leadership(%d) = %v, %v", to.NodeID, ok, err)
	}
	if got, err := sqlapi.Leader(ctx, connect(ctx, t, leader)); err != nil || int(got) != to.NodeID {
		t.Errorf("after the transfer node %d leads, %v; want %d", got, err, to.NodeID)
	}
	if next := s.leader(ctx, t); next != to {
		t.Errorf("node %d leads; leadership was handed to node %d", next.NodeID, to.NodeID)
	}
	conn := connect(ctx, t, to)
	if ok, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, conn, to.NodeID) }); err != nil || !ok {
		t.Errorf("pgraft_transfer_leadership() to the leader itself = %v, %v", ok, err)
	}
	if ok, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, conn, 0) }); err != nil || !ok {
		t.Fatalf("pgraft_transfer_leadership() = %v, %v", ok, err)
	}
	if next := s.leader(ctx, t); next == to {
		t.Errorf("node %d leads still", to.NodeID)
	}
	s.ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	s.settle(ctx, t)
	observer.stop(t)
	s.ledger.check(ctx, t, s.cluster.Servers...)

	leader = s.leader(ctx, t)
	onLeader, onFollower := connect(ctx, t, leader), connect(ctx, t, s.others(leader)[0])
	for _, c := range []call{
		{sql: "SELECT pgraft_transfer_leadership(77)", state: "42704", words: []string{"77"}},
		{sql: "SELECT pgraft_transfer_leadership(-1)", state: "22023"},
	} {
		c.check(ctx, t, onLeader)
	}
	call{sql: "SELECT pgraft_transfer_leadership()", state: "55000",
		hint: []string{fmt.Sprintf("node %d", leader.NodeID), fmt.Sprintf("127.0.0.1:%d", leader.RaftPort)}}.check(ctx, t, onFollower)
}
