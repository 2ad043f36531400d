package failover

// Entry is an entry of the log that changes State. Its kinds are below, each with who
// appends it; what makes it void stands in apply.go.
type Entry interface{ entry() }

// Enable begins an epoch on the timeline that is there, without seals and promotion;
// the primary appends it, when all that is missing for it is there. Failover is on
// once the epoch opens; until then only this primary can get another one.
type Enable struct {
	Epoch    uint64
	Primary  uint64
	Boot     uint64
	System   uint64   // the servers' system identifier
	LSN      uint64   // the primary's flush position
	History  []Branch // of the timeline that is there
	Highest  uint32   // timeline number known to any member or archive
	Set      Set
	Settings Settings
}

// Disable ends failover; an operator appends it on the primary.
type Disable struct{ Epoch uint64 }

// Adjust changes what the operator has set. Mode is ModeOn or ModeManual.
type Adjust struct {
	Mode     Mode
	Settings Settings
}

// Describe is what a member says of itself, when that differs from the state. A
// priority of 0 takes it out: no set may name it then.
type Describe struct {
	Member   uint64
	Boot     uint64
	Address  string
	Data     bool
	Joined   bool
	Priority uint32
}

// Begin begins an epoch. The Raft leader appends it itself, in its own term; it is
// never routed or sent again, so that none fires after the primary has come back.
type Begin struct{ Epoch uint64 }

// Report is how far the WAL of a member reaches that has sealed; the member appends
// it, through the leader.
type Report struct {
	Epoch    uint64
	Member   uint64
	Boot     uint64
	Position Position
	// Forks are the timelines in its history, behind that of the last open epoch, in
	// order, as they lie on its disk.
	Forks []Branch
}

// Grant gives the epoch to Primary. The Raft leader appends it itself, in its own term.
type Grant struct {
	Epoch   uint64
	Primary uint64
	Set     Set
}

// Forked says that the primary has promoted; History ends with the new timeline, as it
// lies on its disk.
type Forked struct {
	Epoch   uint64
	Member  uint64
	History []Branch
}

// Open says that enough of the set have flushed the fork; the primary appends it.
type Open struct {
	Epoch      uint64
	Member     uint64
	SetVersion uint64 // of the set that was counted
}

// Reopen says that the primary's engine started again.
type Reopen struct {
	Epoch  uint64
	Member uint64
	Boot   uint64
}

// Change puts another sync set in force; the primary appends it, from StageForked on.
type Change struct {
	Epoch   uint64
	Member  uint64
	Boot    uint64
	Version uint64 // that the set gets: the next one
	Set     Set
}

// Progress says how far the primary's WAL reaches, where durability is async; the primary
// appends it.
type Progress struct {
	Epoch  uint64
	Member uint64
	Boot   uint64
	LSN    uint64 // flushed
	Lag    uint64 // maximum_lag, by which it acknowledges
	Since  uint64 // Reign.Since: by another rule it may have acknowledged more
}

// Quarantine takes a member's data out of use; the member or an operator appends it. Epoch, if
// not 0, is the newest that the member knew of as it compared its data with the log: where there
// is a newer one, or failover is off, it compares once more.
type Quarantine struct {
	Member uint64
	Reason Quarantined
	Epoch  uint64
}

// Clear ends a quarantine; an operator appends it, or a member whose data is new.
type Clear struct{ Member uint64 }

// Request is an operator's: an epoch is to begin, and Target to get it, as far as it may.
// It is for the newest epoch. If one has begun, it names whom that is to go to.
type Request struct {
	Epoch  uint64
	Target uint64
	Way    Way    // WayFailover, WayOverride or WaySwitchover
	Millis uint64 // of WaySwitchover: for how long it may take
}

// Switchover says that the sync set is such that the target alone can go on with it, and
// that no commit begins any more; the primary appends it.
type Switchover struct {
	Epoch   uint64
	Member  uint64
	Boot    uint64
	Request uint64 // index of the request in the log
}

// Abort ends what was asked for and has not begun: it took too long, or an operator no
// longer wants it.
type Abort struct {
	Epoch   uint64
	Member  uint64 // who proposes it; 0: the leader or an operator
	Request uint64 // index of the request in the log
}

// Override lets Target be granted the epoch that has begun, though Loss is given up by that.
// An operator appends it; it names all that is lost as far as that is known.
type Override struct {
	Epoch  uint64
	Target uint64
	Loss   Loss
}

// Proposer is the member that proposes e of itself, through the leader; 0: members
// propose no such entry.
func Proposer(e Entry) uint64 {
	switch e := e.(type) {
	case Describe:
		return e.Member
	case Report:
		return e.Member
	case Forked:
		return e.Member
	case Open:
		return e.Member
	case Reopen:
		return e.Member
	case Quarantine:
		return e.Member
	case Change:
		return e.Member
	case Progress:
		return e.Member
	case Abort:
		return e.Member
	case Switchover:
		return e.Member
	}
	return 0
}

// ByOperator says whether an operator may ask for e.
func ByOperator(e Entry) bool {
	switch e.(type) {
	case Enable, Disable, Adjust, Quarantine, Clear, Request, Abort, Override:
		return true
	}
	return false
}

func (Enable) entry()     {}
func (Disable) entry()    {}
func (Adjust) entry()     {}
func (Describe) entry()   {}
func (Begin) entry()      {}
func (Report) entry()     {}
func (Grant) entry()      {}
func (Forked) entry()     {}
func (Open) entry()       {}
func (Reopen) entry()     {}
func (Quarantine) entry() {}
func (Clear) entry()      {}
func (Change) entry()     {}
func (Progress) entry()   {}
func (Request) entry()    {}
func (Abort) entry()      {}
func (Override) entry()   {}
func (Switchover) entry() {}
