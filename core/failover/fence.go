package failover

// The fence in each commit, as rules of a few integers. The extension decides by the
// same rules in C, and is tested against the tables that the tests print.

// BeginVerdict is what F1 says of a transaction that is about to commit.
type BeginVerdict uint8

const (
	Go     BeginVerdict = iota
	Wait                // look again when anything changes
	Refuse              // 25006, read_only_sql_transaction
)

// F1 is asked before anything of a commit is written, where nothing is lost by a
// refusal.
type F1 struct {
	Failover    bool // the log's mode is not off
	Joined      bool
	Quarantined bool
	Primary     bool // the newest epoch is this server's
	Open        bool // and open, with this boot
	Lease       bool // Raft's, counted and not run out
	Switchover  bool // of this epoch, in the log
	Founding    bool
	Waited      bool // for fence_wait
}

// Verdict is the rule.
func (f F1) Verdict() BeginVerdict {
	switch {
	case !f.Failover:
		return Go
	case !f.Joined || f.Quarantined:
		return Refuse
	case f.Primary && f.Open && f.Lease && !f.Switchover:
		return Go
	case f.Founding || !f.Waited:
		return Wait
	}
	return Refuse
}

// AckVerdict is what F3 says of a transaction whose commit record is written.
type AckVerdict uint8

const (
	Ack     AckVerdict = iota
	Hold               // look again when anything changes
	Over               // 08007, transaction_resolution_unknown, and the end of the connection
	Restart            // look at everything again, now
)

// F3 is asked before a commit is acknowledged. The version is read first and, after
// all else, again: a backend may be stopped between any two of its looks.
type F3 struct {
	Failover bool
	Over     bool   // another epoch has begun since the commit did
	Open     bool   // the newest epoch is this server's, and open, with this boot; else no set is known
	Flushed  bool   // its record, here
	W        uint32 // of the sync set
	Counted  uint32 // how many of it have flushed the record
	Pending  bool   // another set is to follow
	NextW    uint32 // of that
	Next     uint32 // how many of it have flushed the record
	Beyond   bool   // with async: its record is past what may be acknowledged
	Lease    bool   // Raft's, counted and not run out
	Same     bool   // the version is what it was
}

// Verdict is the rule.
func (f F3) Verdict() AckVerdict {
	switch {
	case !f.Failover:
		return Ack
	case f.Over:
		return Over
	case !f.Open, !f.Flushed, f.Counted < f.W, f.Pending && f.Next < f.NextW, f.Beyond, !f.Lease:
		return Hold
	case !f.Same:
		return Restart
	}
	return Ack
}
