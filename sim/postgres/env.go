package postgres

import "time"

// Env is what a simulator gives one server.
type Env interface {
	// Now is the virtual time. It never goes back.
	Now() time.Duration
	// After calls f once, d from now, never from within this call.
	After(d time.Duration, f func())
	// Send has m arrive at server m.To, by its Deliver: later, or never. Messages of
	// one connection (m.Conn) in one direction keep their order.
	Send(m Message)
	// Draw returns a number in 0..n-1; n is at least 1.
	Draw(n int) int
}

// Config is how a server is set up; New fills in what is zero. The times of PostgreSQL's
// settings have its defaults.
type Config struct {
	Sync            time.Duration // what an fsync takes; drawn up to twice that. 500 µs
	Step            time.Duration // what a stage of a boot or of a promotion takes, drawn likewise. 5 ms
	Reload          time.Duration // how late a process looks at a reload at most. 20 ms
	ReplayTime      time.Duration // from one round of replay to the next. 100 µs
	WriterDelay     time.Duration // wal_writer_delay. 200 ms
	RetryInterval   time.Duration // wal_retrieve_retry_interval. 5 s
	SenderTimeout   time.Duration // wal_sender_timeout. 60 s
	ReceiverTimeout time.Duration // wal_receiver_timeout. 60 s
	StatusInterval  time.Duration // wal_receiver_status_interval. 10 s
	KeepSegments    int           // wal_keep_size, in segments
	RecycleSegments int           // files that a checkpoint keeps for segments to come
	MaxSend         int           // bytes in a message of a walsender at most. 16 pages
	Window          int           // bytes that a connection holds unread. 128 pages
	PageWrites      int           // a standby writes data pages at one record in so many, by chance. 16
	Archive         bool          // archive_mode: a promotion renames the last segment to .partial
}

func (c Config) withDefaults() Config {
	for _, t := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&c.Sync, 500 * time.Microsecond}, {&c.Step, 5 * time.Millisecond}, {&c.Reload, 20 * time.Millisecond},
		{&c.ReplayTime, 100 * time.Microsecond}, {&c.WriterDelay, 200 * time.Millisecond}, {&c.RetryInterval, 5 * time.Second},
		{&c.SenderTimeout, time.Minute}, {&c.ReceiverTimeout, time.Minute}, {&c.StatusInterval, 10 * time.Second},
	} {
		if *t.v == 0 {
			*t.v = t.d
		}
	}
	if c.PageWrites == 0 {
		c.PageWrites = 16
	}
	if c.MaxSend == 0 {
		c.MaxSend = 16 * PageBytes
	}
	if c.Window == 0 {
		c.Window = 128 * PageBytes
	}
	return c
}

// Verdict is what a hook says of a commit.
type Verdict uint8

const (
	Go     Verdict = iota
	Wait           // asked again at the next Poke, and every hookPoll
	Refuse         // before the commit: an ERROR; at its acknowledgement: the connection ends
)

// hookPoll is how often a session that a hook lets wait asks again.
const hookPoll = 10 * time.Millisecond

// Hooks are the places where a preloaded library acts. One that is nil is PostgreSQL
// without it.
type Hooks struct {
	// Boot runs before recovery looks at anything: shmem_startup_hook, in a start and
	// in a crash restart. It may call CreateStandbySignal, SetConninfo, RemoveHistory, and
	// Refuse, which ends the start.
	Boot func()
	// Statement runs as a statement begins; false refuses it.
	Statement func(*Session) bool
	// PreCommit runs before the commit record, of a transaction with an xid, and before
	// the utility statements of prepared transactions.
	PreCommit func(*Session) Verdict
	// HoldEarlyEnd runs as a wait for standbys is about to end early (emit_log_hook);
	// true keeps it waiting.
	HoldEarlyEnd func(s *Session, end LSN) bool
	// Acknowledge runs once the commit is visible, before the client hears of it. end
	// is where its record ends (XactLastCommitEnd).
	Acknowledge func(s *Session, end LSN) Verdict
	// Replicate runs as a walreceiver of server to connects under a name; false refuses it
	// (ClientAuthentication_hook).
	Replicate func(to int, name string) bool
	// Refused is told why a primary does not send a walreceiver its WAL (emit_log_hook).
	Refused func(why string)
	// StreamEnded is told that the primary has ended the stream to this standby as it stopped.
	StreamEnded func()
	// Saw is told of what a checker looks at.
	Saw func(Event)
}

// EventKind says what happened.
type EventKind uint8

const (
	// Visible: other sessions of this server see the transaction from now on.
	Visible EventKind = iota + 1
	// Acknowledged: the client is told that it has committed.
	Acknowledged
	// Opened: the server leaves recovery, and takes writes.
	Opened
	// Consistent: a standby lets sessions read.
	Consistent
	// Ended: the server's processes are gone, or restart.
	Ended
)

// Event is an instant of a server.
type Event struct {
	Kind EventKind
	Txn  uint64 // of Visible and Acknowledged
	End  LSN    // where its commit record ends; of Opened: where its timeline begins
	TLI  TLI
}
