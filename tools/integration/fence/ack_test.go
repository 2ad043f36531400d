//go:build integration

package fence

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// F3: what is acknowledged.

// written is a commit that is written and replicated, and waits for its acknowledgement, as
// the lease has run out since it began.
func (w *world) written(v string) *pending {
	w.t.Helper()
	w.freeze(w.b, w.c)
	p := w.session().start(insert(v)).waits(inSync)
	w.tell(noLease)
	w.thaw()
	return p.waits(inAck)
}

func needsTheLease(w *world) {
	p := w.written("leased")
	w.sees("leased", 1) // it is replicated, so no failover loses it
	w.underWay(1)
	notify := w.session().start("NOTIFY x").waits(inAck) // it gets its xid after it was asked whether it may begin
	w.tell(open)
	p.succeeds()
	notify.succeeds()
	w.underWay(0)
}

// saysUnknown: the client hears neither yes nor no, in both protocols, and its session ends.
func saysUnknown(w *world) {
	check := func(p *pending) {
		w.t.Helper()
		err := p.refused("08007")
		if err.Severity != "FATAL" || !strings.Contains(err.Message, "unknown") || err.Hint == "" {
			w.t.Errorf("%#v", err)
		}
		if _, err := p.s.try("SELECT 1"); err == nil {
			w.t.Error("the session goes on")
		}
		w.underWay(0)
		w.tell(open)
	}
	p := w.written("of the epoch before")
	w.tell("publish epoch=2 primary=0 open=0")
	check(p)
	w.sees("of the epoch before", 1)

	w.freeze(w.b, w.c)
	s := w.session()
	p = s.startWith("extended", func() error {
		_, err := s.conn.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "extended")
		return err
	}).waits(inSync)
	w.tell("publish epoch=2 primary=0 open=0 lease=-1")
	w.thaw()
	// PostgreSQL lets it go, as it is on a standby; the fence does not
	check(p)

	for _, how := range []string{"pg_terminate_backend", "pg_cancel_backend"} {
		p = w.written(how)
		w.watch.run("SELECT " + how + "(" + p.s.pid() + ")")
		check(p)
		w.sees(how, 1)
	}
}

// kinds are commits of every form; each is held until it may be acknowledged.
func kinds(w *world) map[string]func(*session) error {
	simple := func(sql string) func(*session) error {
		return func(s *session) error { _, err := s.try(sql); return err }
	}
	all := map[string]func(*session) error{
		"extended": func(s *session) error { _, err := s.conn.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "x"); return err },
		"pipeline": func(s *session) error {
			var b pgx.Batch
			b.Queue("INSERT INTO rows VALUES ($1)", "x")
			b.Queue("INSERT INTO rows VALUES ($1)", "y")
			return s.conn.SendBatch(w.ctx, &b).Close()
		},
		"COPY": func(s *session) error {
			_, err := s.conn.CopyFrom(w.ctx, pgx.Identifier{"rows"}, []string{"v"}, pgx.CopyFromRows([][]any{{"x"}}))
			return err
		},
	}
	for _, sql := range []string{
		insert("x"), "BEGIN; " + insert("x") + "; COMMIT AND CHAIN", "DO $$ BEGIN INSERT INTO rows VALUES ('x'); COMMIT; END $$",
		"BEGIN; SAVEPOINT a; " + insert("x") + "; RELEASE a; COMMIT", "SELECT * FROM rows LIMIT 1 FOR UPDATE", "SELECT nextval('numbers')",
		"BEGIN; " + insert("x") + "; PREPARE TRANSACTION 'kind'", "COMMIT PREPARED 'to commit'", "ROLLBACK PREPARED 'to roll back'",
		"SET synchronous_commit = off; " + insert("x"), "CREATE TABLE made ()", "TRUNCATE truncated", "CREATE DATABASE made",
	} {
		all[sql] = simple(sql)
	}
	return all
}

// free are those that a failover loses nothing of: they need no standby.
var free = []string{"SELECT 1", "BEGIN; " + "CREATE TABLE never (); ROLLBACK", "INSERT INTO pg_temp.mine VALUES (1)", "INSERT INTO unlogged VALUES (1)",
	"NOTIFY x"}

func holdsEveryKind(w *world) {
	s := w.session()
	s.run("CREATE SEQUENCE numbers; CREATE TABLE truncated (); CREATE UNLOGGED TABLE unlogged (n int); " + insert("to lock"))
	s.run("BEGIN; " + insert("x") + "; PREPARE TRANSACTION 'to commit'")
	s.run("BEGIN; " + insert("x") + "; PREPARE TRANSACTION 'to roll back'")
	s.run("CREATE TEMP TABLE mine (n int)")
	// PostgreSQL itself waits for nobody then: what holds is the fence
	w.tell("names empty")
	w.names("")
	defer func() { w.names(bothNames); w.tell("names needed") }()
	w.freeze(w.b, w.c)
	w.tell("publish w=1")
	for _, sql := range free {
		s.run(sql)
	}
	held := map[string]*pending{}
	for name, run := range kinds(w) {
		x := w.session()
		held[name] = x.startWith(name, func() error { return run(x) }).waits(inAck)
	}
	w.underWay(len(held))
	w.thaw()
	for _, p := range held {
		p.succeeds()
	}
	s.run("ROLLBACK PREPARED 'kind'")
}

// Who merely calls himself a standby is not counted.
func countsSlots(w *world) {
	w.freeze(w.b)
	must(w.t, w.c.Set(map[string]string{"primary_slot_name": ""}))
	c, err := w.dial(w.c.URL())
	must(w.t, err)
	c.run("SELECT pg_reload_conf()")
	w.connected(1)
	w.watch.until("SELECT count(*) FROM pg_stat_replication WHERE application_name = '"+tokenC+"' AND sync_state = 'quorum'", "1")
	p := w.session().start(insert("without a slot")).waits(inAck)
	must(w.t, w.c.Set(map[string]string{"primary_slot_name": slotB}))
	c.run("SELECT pg_reload_conf()") // another member's, which is taken
	must(w.t, w.c.Set(map[string]string{"primary_slot_name": slotC}))
	c.run("SELECT pg_reload_conf()")
	p.succeeds()
	w.thaw()
	w.connected(2)
	// a token that is not published counts for nobody
	w.tell("publish counted=pgraft-1-1-1z141z6-8:1," + tokenC + ":2")
	p = w.session().start(insert("not announced")).waits(inAck)
	w.tell(open)
	p.succeeds()
}

// While a set is to follow another, a commit needs both.
func countsBothSets(w *world) {
	w.freeze(w.c)
	one := w.session().start(insert("in one set"))
	one.succeeds()
	w.tell("publish pending=1 next_w=1 counted=" + tokenB + ":1," + tokenC + ":2")
	both := w.session().start(insert("in both")).waits(inAck)
	w.thaw()
	both.succeeds()
	w.freeze(w.c)
	w.tell("publish pending=0 w=2 counted=" + tokenB + ":1," + tokenC + ":1")
	two := w.session().start(insert("on two")).waits(inAck)
	w.tell("publish pending=1 w=2 next_w=1 counted=" + tokenB + ":3," + tokenC + ":1")
	two.waits(inAck)
	w.tell("publish pending=0 w=1 counted=" + tokenB + ":1") // the new one counts alone
	two.succeeds()
}

// With async a commit is acknowledged only as far as a failover may give up.
func keepsTheLimit(w *world) {
	w.tell("publish w=0 limited=1 limit=1")
	p := w.session().start(insert("beyond")).waits(inAck)
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'beyond'", "1")
	w.tell("publish limit=" + fmt.Sprint(uint64(1)<<62))
	p.succeeds()
}

func refusesOtherEpochs(w *world) {
	connect := func(name string) error {
		config, err := pgconn.ParseConfig(w.primary.URL() + "&replication=true&application_name=" + name)
		must(w.t, err)
		conn, err := pgconn.ConnectConfig(w.ctx, config)
		if err == nil {
			conn.Close(w.ctx)
		}
		return err
	}
	for _, name := range []string{"pgraft-2-1-1z141z6-7", "pgraft-1-2-1z141z6-7", "pgraft-nobody-1z141z6"} {
		w.failed(name, connect(name), "57P03")
	}
	for _, name := range []string{"pg_receivewal", "pgraft-1-1-1z141z8-1"} {
		must(w.t, connect(name))
	}
	w.tell("publish primary=0 open=0")
	w.failed("not the primary", connect("pgraft-1-1-1z141z8-1"), "57P03")
	must(w.t, connect("pg_basebackup"))
}
