package failover

// What a machine is told of servers: its own, by the host, and the others', by the
// members. None of it decides alone what may be lost: that rests on State.

// Server is what the host reports of this node's server, whole, whenever any of it
// changes.
type Server struct {
	// Recovery says that the server is in recovery: it takes no writes.
	Recovery bool
	// Stopping says that the server was told to stop.
	Stopping bool
	// Joined says that the data directory and the Raft store both note that the
	// server takes part.
	Joined bool
	// OneNote says that one of the two does: the other is lost, or was not written yet. It takes no
	// part, and is no plain server either until the log says so.
	OneNote bool
	// Untrusted says that the data is not what it was when the server last had a
	// boot: older, or a copy's. It reports nothing until it is trusted again: made anew, or
	// past what an open epoch's primary had flushed after this boot (Trust).
	Untrusted bool
	// OnlyClone says that it lacks WAL which no primary has for it, or may not run on.
	OnlyClone bool
	// Damage, if not NotQuarantined, is what the host found to quarantine it for.
	Damage Quarantined
	// Address and Priority are its settings.
	Address  string
	Priority uint32

	// Sealed is the durable seal: no WAL of epochs up to this one is taken any more.
	Sealed uint64
	// History is that of the last record in pg_wal, with its timeline as the last
	// element; End is the end of valid WAL, each LSN read from the file of the timeline
	// that owns it. Of a sealed server both are final.
	History []Branch
	End     uint64
	// Noted is the epoch that the data directory notes for the last timeline, from
	// before its first byte arrived; 0: none. JoinedOn is the timeline that the server
	// was on when it joined, before any epoch.
	Noted    uint64
	JoinedOn uint32
	// Wrote says that this data directory was a primary's on the last timeline, as it notes
	// itself: it goes along to another Raft id.
	Wrote bool
	// Record is the last complete record, the evidence that a follower gives. Where
	// Shared.Prove asks for it, From is where the checkpoint begins that pg_control names.
	Record Record
	// Replayed moves while there is something to replay; ReplayDone says that all WAL up
	// to End is.
	Replayed   uint64
	ReplayDone bool
	// Streaming says that there is a source of WAL: a walreceiver that runs,
	// primary_conninfo or restore_command. Follows is what primary_conninfo stands for,
	// zero if it is empty or another's.
	Streaming bool
	Follows   Token
	// Ended says that whom it follows has ended the stream, as it stops, and has sent all.
	Ended bool
	// Lacks says that the one whom it follows has told it that WAL which it needs is gone.
	Lacks bool

	// Of a server that is not in recovery: Flushed is its own flush position, Fork the
	// end of the record that began its timeline; 0 if failover was enabled on it.
	Flushed uint64
	Fork    uint64
	// Names are those in force in every walsender and in the checkpointer.
	Names Names
	// Quiet is the switchover for which F1 waits, of Shared, and by which no commit that has
	// passed F1 is under way any more; 0: there is none, or some are. Checkpoint is where
	// the last checkpoint that has ended began; of a standby while failover is off, its last
	// restartpoint.
	Quiet      uint64
	Checkpoint uint64
	// Founded is the epoch of Shared with which failover is being enabled, once F1 waits, and
	// no commit that had passed it is under way any more, and all that was written by then is
	// flushed; 0 before. Such a commit knew of no set: what it wrote is visible as soon as it
	// is on this server's disk.
	Founded uint64
	// Senders are the walsenders whose standby holds its member's slot.
	Senders []Sender
	// Decision is Shared.Decision as every commit sees it. It and Names are looked at first,
	// then Flushed: of what is flushed later, F3 and PostgreSQL's waits went by them.
	Decision uint64
	// Boots is Shared.Boots from before Flushed was looked at.
	Boots uint64
}

// timeline is the last one, 0 if there is no WAL.
func (s *Server) timeline() uint32 {
	if len(s.History) == 0 {
		return 0
	}
	return s.History[len(s.History)-1].Timeline
}

// alike says that nobody waits for what has changed from s to v: that is at most how far WAL
// has come.
func (s *Server) alike(v *Server) bool {
	return s.Recovery == v.Recovery && s.Stopping == v.Stopping && s.Joined == v.Joined && s.Untrusted == v.Untrusted &&
		s.Sealed == v.Sealed && s.timeline() == v.timeline() && s.Streaming == v.Streaming && s.Ended == v.Ended
}

// Record names a WAL record: where it ends, and its CRC. From, if not 0, is an LSN before it,
// and Sum is over all records from there to its end: none of that WAL is another's.
type Record struct {
	LSN  uint64
	CRC  uint32
	From uint64
	Sum  uint32
}

// Token is what a follower is announced by, and uses as its application_name. Only the
// names of this boot of this epoch's primary hold it.
type Token struct {
	Epoch  uint64
	Boot   uint64 // of the primary's engine
	Member uint64 // the follower
	Follow uint64 // the boot of the follower's engine
}

// Names are PostgreSQL's: ANY W (members). A member of the set without a token stands
// in them with a placeholder that no standby can bear.
type Names struct {
	Epoch   uint64
	Boot    uint64
	W       uint32
	Members []uint64
	Tokens  []Token // of those members that are announced, by Member
	// Number counts the orders of this boot for other names: one with a number below the
	// last that was carried out comes late, and is not carried out.
	Number uint64
}

// Sender is a walsender, as what its standby calls itself, and what that has flushed.
type Sender struct {
	Token   Token
	Flushed uint64
}

// Told is what a member tells every other one with each heartbeat interval, and at once when
// Output.Tell says so.
type Told struct {
	Boot    uint64
	Applied uint64 // index up to which the teller had applied the log
	// Of its server, as in Server:
	Server     bool // there is one, and the host has reported it
	Untrusted  bool
	Recovery   bool
	Stopping   bool
	Timeline   uint32 // the last one it has WAL of
	Sealed     uint64
	Replayed   uint64
	ReplayDone bool
	End        uint64
	// Leaves says that it does not take part, or with priority 0: no set is to name it.
	Leaves bool
	// Joins says that the teller, whose server takes writes, asks all others to join.
	Joins bool
	// Checkpoint is a standby's, while failover is off.
	Checkpoint uint64
	Flushed    uint64 // of a server that is not in recovery
	Boots      uint64 // as in Server: it knew of these boots before Flushed was looked at
	// Claim, if not nil, is the evidence of a follower that asks to be announced.
	Claim *Claim
	// Announced are the followers that a primary counts, by Member.
	Announced []Token
	// Denied are those whose WAL is another than the primary's, by Member; Unproven, those
	// whose WAL was never compared with its owner's, and the primary cannot: it has no more of
	// it.
	Denied, Unproven []Token
	// Ended is the epoch whose primary has ended its stream to this one as it stopped; 0: none.
	Ended uint64
	// Led is for how many milliseconds the teller has not had Raft's lease, plus 1; 0: it never
	// had since its engine started.
	Led uint64
	// Heard is for how long the teller has not heard the others.
	Heard []Heard
}

// Heard says how long ago a member was heard.
type Heard struct {
	Member uint64
	Millis uint64
}

// Claim is what a follower says of its WAL before it has streamed in this boot.
type Claim struct {
	Epoch   uint64 // it wants to follow this epoch's primary
	Noted   uint64 // as in Server
	History []Branch
	End     uint64
	Record  Record
}

// Port is what the host sees of the PostgreSQL port of the primary that it watches.
type Port struct {
	Member  uint64
	Epoch   uint64
	Answers bool // it took a connection
	Refuses bool // it refused one, as of a process that has ended
	Reset   bool // the node's own connections to this one were reset, and none is there since
}

// Compared answers a Compare: the record that the primary's own WAL has there.
type Compared struct {
	Member uint64
	Boot   uint64 // of the follower's engine
	Have   bool   // the WAL is still there, and can be read
	Equal  bool   // and the same record ends there
}
