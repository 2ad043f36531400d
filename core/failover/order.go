package failover

import "slices"

// Order is what the host has to do to its server. An order is given until the server's
// report shows it done. It names the epoch and the boot of this node's engine that it
// is for: the server checks both before it acts.
type Order interface{ order() }

// Seal ends all sources of WAL and makes the promise durable to take none of epochs up
// to UpTo any more; then the server finds its end of valid WAL.
type Seal struct{ Boot, UpTo uint64 }

// Demote makes a server that is not in recovery boot as a standby.
type Demote struct{ Epoch, Boot uint64 }

// SetNames puts names in force, in every walsender and in the checkpointer.
type SetNames struct{ Names }

// Promote ends recovery at LSN, on Timeline. Files of History and of the numbers
// between its last two timelines make PostgreSQL take that number. Before anything of
// it, the server notes that its last timeline is Epoch's.
type Promote struct {
	Epoch, Boot uint64
	LSN         uint64
	History     []Branch
}

// Follow streams from the primary, as Token. Before that, History goes into history
// files, then the numbers between its last two timelines do, downwards; and Notes are
// noted in the data directory: WAL of each of these timelines may come.
type Follow struct {
	Token   Token
	Primary uint64
	Address string
	History []Branch
	Notes   []Note
}

// Note says that WAL of a timeline is an epoch's.
type Note struct {
	Timeline uint32
	Epoch    uint64
}

// Rejoin makes the data anew from the primary's: the server's WAL has diverged. The
// primary must be on the last timeline of History then, and still be when it is done.
// Notes are noted in the data before the server starts with it.
type Rejoin struct {
	Epoch, Boot uint64
	Primary     uint64
	Address     string
	History     []Branch
	Notes       []Note
	// Clone: the server lacks WAL that the primary has no more, and a rewind finds nothing
	// to do there. Or it has WAL that was given up by an override, and may be the only one:
	// a clone keeps the old directory.
	Clone bool
}

// Compare asks whether the primary's WAL has a follower's record where that says.
type Compare struct {
	Epoch, Boot uint64
	Member      uint64
	Follow      uint64 // boot of the follower's engine
	Record      Record
	Timeline    uint32 // whose file holds the record
}

// Release ends the server's part in failover, which is off: up to Epoch it takes none. The
// names go, then the Raft store's note that it has joined, and then the data directory's, with
// the seal in the same write: one that was cut short is given again. The server goes on as what it is, and boots as PostgreSQL has it. A
// standby streams on. It is carried out only while the server is what Recovery says: one
// that was promoted by hand meanwhile has to be demoted first.
type Release struct {
	Epoch, Boot uint64
	Recovery    bool
}

// Checkpoint asks for a checkpoint, so that the one of a stop is short; of a standby, for a
// restartpoint.
type Checkpoint struct{ Epoch, Boot uint64 }

// Stop ends the server as a fast shutdown does, so that its standbys get all of its WAL, and
// has it boot as a standby. It is carried out only while Shared.Switchover is Request, and the
// server does not have the lease: leadership may have come back since.
type Stop struct{ Epoch, Boot, Request uint64 }

// Watch asks the host to look at the primary's PostgreSQL port.
type Watch struct {
	Epoch   uint64
	Member  uint64
	Address string
}

// Trust has the data count as what it was: the host takes back its doubt, and renews the
// nonce.
type Trust struct{ Epoch, Boot uint64 }

func (Seal) order()       {}
func (Demote) order()     {}
func (SetNames) order()   {}
func (Promote) order()    {}
func (Follow) order()     {}
func (Rejoin) order()     {}
func (Compare) order()    {}
func (Watch) order()      {}
func (Release) order()    {}
func (Checkpoint) order() {}
func (Stop) order()       {}
func (Trust) order()      {}

// Shared is what the host publishes in shared memory, for the fence in each commit.
// With each change it raises the version that F3 reads.
type Shared struct {
	// Failover says that the log's mode is not off, or that this server takes part by
	// one of its notes at least, or has not been reported and may, and does not know the mode
	// yet.
	Failover    bool
	Joined      bool
	Quarantined bool
	Founding    bool
	Epoch       uint64 // the newest: a commit of one before it is over
	// Primary says that the newest epoch is this server's; Open, that it serves in it,
	// and that the log knows this boot.
	Primary bool
	Open    bool
	Boot    uint64
	// Reads says that sessions may read: a statement is refused as it begins where they
	// may not. Nobody reads what may go away. Of a server that is not in recovery it may
	// be late: there Open has to be true beside it, or Founding and Primary.
	Reads bool
	// LeaseCounts says that Raft's lease on this node is one: it leads, and has applied
	// an entry of its own term.
	LeaseCounts bool
	// Switchover, if not 0, is the request for which no commit may begin any more.
	Switchover uint64
	// Set is what F3 counts, and Next, if not nil, the set that is to follow, which it
	// counts, too. Tokens are those of their members that are announced: a walsender counts
	// only under one of them. Decision is the number of the decision that Next comes of, or
	// else of Limited; the host says in Server.Decision that it is published.
	Set      Set
	Next     *Set
	Tokens   []Token
	Decision uint64
	// Limited says that F3 acknowledges up to the LSN Limit only.
	Limited bool
	Limit   uint64
	// Boots is, on a primary that is open, the newest Member.Known: it knows of every boot that
	// has one up to that. The host says in Server.Boots what it was before it looked.
	Boots uint64
	// Prove says that nobody has compared this server's WAL with its owner's, and that all of
	// it from a checkpoint on is to be: the host is to give Record.From.
	Prove bool
}

// Equal says that every field is the same.
func (s *Shared) Equal(o *Shared) bool {
	return s.Failover == o.Failover && s.Joined == o.Joined && s.Quarantined == o.Quarantined && s.Founding == o.Founding &&
		s.Epoch == o.Epoch && s.Primary == o.Primary && s.Open == o.Open && s.Boot == o.Boot && s.Reads == o.Reads &&
		s.LeaseCounts == o.LeaseCounts && s.Switchover == o.Switchover && s.Set.equal(o.Set) &&
		(s.Next == nil) == (o.Next == nil) && (s.Next == nil || s.Next.equal(*o.Next)) && slices.Equal(s.Tokens, o.Tokens) &&
		s.Decision == o.Decision && s.Limited == o.Limited && s.Limit == o.Limit && s.Boots == o.Boots && s.Prove == o.Prove
}

// Output is what came of a decision.
type Output struct {
	// Append is for the leader's own log: it is appended now, or not at all (Refused).
	Append Entry
	// Propose are proposals that go through the leader; they may be lost.
	Propose []Entry
	// Transfer, if not 0, is whom leadership is to be handed to.
	Transfer uint64
	// Tell says that others may wait for what this node tells now.
	Tell   bool
	Orders []Order
	Shared Shared
	// Why is what this node's server waits for; Nobody, on the leader, what the cluster
	// waits for until it has another primary.
	Why, Nobody Why
}

// Why is what a machine waits for.
type Why struct {
	Reason  WhyNot
	Members []uint64 // whom it is about
	Millis  uint64   // for how much longer, where that is known
}

// WhyNot is a reason for which nobody becomes primary, or the primary does not serve.
type WhyNot uint8

const (
	Nothing WhyNot = iota
	NotInformed
	PrimaryAway
	PrimaryPromotes
	NobodyCouldPass
	NotEnoughForSet
	NotThePrimary
	ReportsMissing
	BetterMayCome
	ReplayOfPrimary
	GreatestAway
	SetMissing
	NoLease
	NotAnnounced
	BootUnknown
	LogUnread
	UntrustedData
	MustRejoin
	EntryUnderWay
	ChosenAway
	ChosenLacks
	SwitchoverUnderWay
	CommitsUnderWay
	SetTooSmall
	whyNots // how many there are
)

// String says it for people.
func (w WhyNot) String() string {
	switch w {
	case Nothing:
		return "nothing"
	case NotInformed:
		return "a new leader waits until the members have said what they see"
	case PrimaryAway:
		return "the primary is away for less than failover_delay"
	case PrimaryPromotes:
		return "the primary promotes"
	case NobodyCouldPass:
		return "members are away that may have commits which no other has"
	case NotEnoughForSet:
		return "there are fewer standbys than sync_count"
	case NotThePrimary:
		return "only the last primary gets the next epoch without an operator's word, and it is away"
	case ReportsMissing:
		return "reports are missing of members that may have commits which no other has"
	case BetterMayCome:
		return "members that are connected have not reported yet"
	case ReplayOfPrimary:
		return "the last primary replays its WAL"
	case GreatestAway:
		return "the member whose WAL reaches furthest is away"
	case SetMissing:
		return "members of the sync set have not flushed the new timeline"
	case NoLease:
		return "this primary does not lead, or has no lease"
	case NotAnnounced:
		return "the primary has not seen that this server's WAL is a part of its own"
	case BootUnknown:
		return "the log does not know yet that this engine has started again"
	case LogUnread:
		return "the log has not been read since this engine started"
	case UntrustedData:
		return "this server's data is older than it was"
	case MustRejoin:
		return "this server's WAL has diverged, or the primary lacks WAL that it needs, and it waits until it can rejoin"
	case EntryUnderWay:
		return "the log has not taken the next step yet: a quorum has to have it on disk"
	case ChosenAway:
		return "the member that an operator has named is away"
	case ChosenLacks:
		return "the member that an operator has named lacks WAL that others have"
	case SwitchoverUnderWay:
		return "a switchover is under way: the primary stops"
	case CommitsUnderWay:
		return "commits are under way that had begun before failover was enabled"
	case SetTooSmall:
		return "fewer standbys keep up than sync_count: until they do, no commit is acknowledged"
	}
	return "unknown"
}
