package postgres

import (
	"slices"
	"time"
)

// Level is synchronous_commit.
type Level uint8

const (
	On    Level = iota // flushed here, and by the standbys
	Local              // flushed here
	Off                // nobody waits for a flush
)

// Outcome is what a client knows of its commit.
type Outcome uint8

const (
	// Committed: it was told so.
	Committed Outcome = iota + 1
	// Refused: an ERROR; nothing has happened.
	Refused
	// Unknown: the connection ended before an answer.
	Unknown
)

type stage uint8

const (
	stageIdle  stage = iota
	stageFence       // before the commit record: a hook lets it wait
	stageFlush       // its commit record is not on the disk
	stageSync        // it waits for standbys; nobody sees the transaction
	stageAck         // visible; a hook lets the answer wait
	stageOver
)

// Session is a client's connection and its backend. All its calls are the client's; each
// asks for one thing, and the next comes after the answer.
type Session struct {
	// Level may be changed at any time, also by Hooks.PreCommit.
	Level Level

	s      *Server
	number uint64
	stage  stage
	kind   Kind // the record that ends what is under way
	txn    uint64
	xid    uint32 // 0: none yet
	since  time.Duration
	end    LSN // of that record
	cancel bool
	die    bool
	polls  bool
	silent bool // nobody is to be answered: DestNone
	warned bool
	done   func(Outcome)
}

// Connect opens a session; nil: the server takes none.
func (s *Server) Connect() *Session {
	if !s.Reads() || s.frozen {
		return nil
	}
	s.named++
	o := &Session{s: s, number: s.named}
	s.sessions = append(s.sessions, o)
	return o
}

// Sessions are those that are open.
func (s *Server) Sessions() []*Session { return s.sessions }

// Server is the one that the session is connected to.
func (o *Session) Server() *Server { return o.s }

// Commits says that a commit has passed its begin, and is not answered.
func (o *Session) Commits() bool {
	return o.stage == stageFlush || o.stage == stageSync || o.stage == stageAck
}

// Over says that the connection has ended.
func (o *Session) Over() bool { return o.stage == stageOver }

// Waits is for how long the session has been where a hook, or a standby, lets it wait.
func (o *Session) Waits() time.Duration { return o.s.env.Now() - o.since }

// Txn and Kind are what is under way: the transaction, and the record that is to end it.
func (o *Session) Txn() uint64 { return o.txn }
func (o *Session) Kind() Kind  { return o.kind }

// Warned says that the last commit was answered with the warning that it may not have
// been replicated.
func (o *Session) Warned() bool { return o.warned }

// Cancelled and Dying say what was asked of the session's backend and not done yet.
func (o *Session) Cancelled() bool { return o.cancel }
func (o *Session) Dying() bool     { return o.die }

// begins is a statement's begin.
func (o *Session) begins() bool {
	s := o.s
	return o.stage == stageIdle && !o.die && !s.frozen && (s.Hooks.Statement == nil || s.Hooks.Statement(o))
}

// Sees says whether a read of the session finds the transaction; ok: it could read.
func (o *Session) Sees(txn uint64) (found, ok bool) {
	if !o.begins() {
		return false, false
	}
	return o.s.Visible(txn), true
}

// Write changes n bytes in a transaction, which it begins under that number unless one
// is open. txn is unique among all ever. False: it cannot.
func (o *Session) Write(txn uint64, n int) bool {
	s := o.s
	if !o.begins() {
		return false
	}
	if s.phase != Production {
		o.xid = 0
		return false
	}
	if o.xid == 0 {
		s.wal.xid++
		o.xid, o.txn = s.wal.xid-1, txn
	}
	s.log(Insert, n, o.xid, o.txn)
	return true
}

// Commit ends the transaction; done is called once, with what the client knows then.
// Without a change it is done at once.
func (o *Session) Commit(done func(Outcome)) { o.finish(Commit, done) }

// Prepare is PREPARE TRANSACTION; the transaction's number is its name.
func (o *Session) Prepare(done func(Outcome)) { o.finish(Prepare, done) }

// Rollback ends the transaction without a trace.
func (o *Session) Rollback() {
	if o.stage == stageIdle && o.xid != 0 {
		if o.s.phase == Production {
			o.s.log(Abort, 40, o.xid, o.txn)
		}
		o.xid = 0
	}
}

// CommitPrepared and RollbackPrepared end a prepared transaction, from any session.
func (o *Session) CommitPrepared(txn uint64, done func(Outcome)) {
	o.prepared(CommitPrepared, txn, done)
}

func (o *Session) RollbackPrepared(txn uint64, done func(Outcome)) {
	o.prepared(AbortPrepared, txn, done)
}

func (o *Session) prepared(kind Kind, txn uint64, done func(Outcome)) {
	s := o.s
	if o.stage != stageIdle || o.xid != 0 || s.phase != Production || !s.isPrepared(txn) {
		o.after(done, Refused)
		return
	}
	o.txn, o.xid = txn, 1
	o.finish(kind, done)
}

func (s *Server) isPrepared(txn uint64) bool {
	return slices.ContainsFunc(s.disk.prepared, func(p prepared) bool { return p.txn == txn && p.done == 0 })
}

// Prepared are the transactions that are prepared and not finished.
func (s *Server) Prepared() (txns []uint64) {
	for _, p := range s.disk.prepared {
		if p.done == 0 {
			txns = append(txns, p.txn)
		}
	}
	return txns
}

// Cancel is pg_cancel_backend(), or statement_timeout.
func (o *Session) Cancel() { o.s.do(func() { o.interrupt(&o.cancel) }) }

// Terminate is pg_terminate_backend().
func (o *Session) Terminate() { o.s.do(func() { o.interrupt(&o.die) }) }

func (o *Session) interrupt(which *bool) {
	if o.stage == stageOver || which == &o.cancel && o.stage == stageIdle {
		return
	}
	*which = true
	o.advance()
}

// after answers, not within the client's call.
func (o *Session) after(done func(Outcome), out Outcome) {
	if done != nil {
		o.s.env.After(0, func() { done(out) })
	}
}

// close ends the connection.
func (o *Session) close() {
	if o.stage == stageOver {
		return
	}
	s := o.s
	o.lost()
	s.sessions = slices.DeleteFunc(s.sessions, func(p *Session) bool { return p == o })
	s.drained()
}

// lost is the connection's end as the client sees it.
func (o *Session) lost() {
	o.stage = stageOver
	if done := o.done; done != nil {
		o.done = nil
		o.after(done, Unknown)
	}
}

// Visible says whether a new snapshot on this server has the transaction.
func (s *Server) Visible(txn uint64) bool {
	if !s.wal.on && !s.startup.consistent {
		return false
	}
	for i := len(s.disk.rows) - 1; i >= 0; i-- {
		if s.disk.rows[i].Txn == txn {
			return !s.hidden(txn)
		}
	}
	return false
}

// hidden says that a transaction has committed, and its backend has not said so yet to
// others (ProcArrayEndTransaction).
func (s *Server) hidden(txn uint64) bool {
	return slices.ContainsFunc(s.sessions, func(o *Session) bool {
		return o.txn == txn && (o.stage == stageFlush || o.stage == stageSync)
	})
}

// Rows are the committed transactions in the order of their records, those included that
// are not visible yet; not to be changed.
func (s *Server) Rows() []Row { return s.disk.rows }
