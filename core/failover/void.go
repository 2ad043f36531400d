package failover

// Void is why an entry changed nothing.
type Void uint8

const (
	NotVoid Void = iota
	VoidOff
	VoidEnabled
	VoidSystem
	VoidEpoch
	VoidStage
	VoidUnknown
	VoidNotElectable
	VoidSet
	VoidSetNotElectable
	VoidHistory
	VoidSettings
	VoidMode
	VoidDescription
	VoidOldBoot
	VoidKnown
	VoidQuarantined
	VoidNoReport
	VoidTooFew
	VoidGreater
	VoidManual
	VoidNotPrimary
	VoidSetVersion
	VoidNamed
	VoidLastPrimary
	VoidBetween
	VoidTimelines
	VoidSetTooSmall
	VoidNotAsync
	VoidFounding
	VoidRequest
	VoidNotAsked
	VoidUnnamed
	VoidTimeline
	VoidPrimary
	VoidUnderWay
	VoidSetToSwitch
	voids // how many there are
)

// String says it for people.
func (v Void) String() string {
	switch v {
	case NotVoid:
		return "done"
	case VoidOff:
		return "failover is off"
	case VoidEnabled:
		return "failover is on already"
	case VoidSystem:
		return "the servers of this cluster have another system identifier"
	case VoidEpoch:
		return "another epoch has begun since"
	case VoidStage:
		return "the epoch is not at that stage"
	case VoidUnknown:
		return "that is no member, or nothing is known of its server"
	case VoidNotElectable:
		return "that member cannot be primary: it has to be a voter with data, joined, with a priority above 0, and not quarantined"
	case VoidSet:
		return "the sync set cannot be met"
	case VoidSetNotElectable:
		return "the sync set names a member that cannot be primary"
	case VoidHistory:
		return "the history of the timeline is not sound"
	case VoidSettings:
		return "a setting is out of its range"
	case VoidMode:
		return "the mode can only be on or manual"
	case VoidDescription:
		return "what the member says of itself is not complete"
	case VoidOldBoot:
		return "the engine has started again since"
	case VoidKnown:
		return "the log has that already"
	case VoidQuarantined:
		return "the member is quarantined"
	case VoidNoReport:
		return "that member has not reported how far its WAL reaches"
	case VoidTooFew:
		return "members are missing that may have commits which no other has"
	case VoidGreater:
		return "another member's WAL reaches further"
	case VoidManual:
		return "only the primary of the last epoch gets this one without an operator's word"
	case VoidNotPrimary:
		return "that member is not the epoch's primary"
	case VoidSetVersion:
		return "the sync set has changed since"
	case VoidNamed:
		return "the sync set names that member: the primary takes it out once its failover_priority is 0, or once it has been away for sync_timeout, and enough others are there"
	case VoidLastPrimary:
		return "that member is the last primary: switch over first"
	case VoidBetween:
		return "an epoch has begun and is not open yet"
	case VoidTimelines:
		return "there are no timeline numbers left"
	case VoidSetTooSmall:
		return "the sync set asks for fewer than sync_count, which is required"
	case VoidNotAsync:
		return "durability is not async, or a sync set is in force, or what is acknowledged goes by another rule since"
	case VoidFounding:
		return "failover is being enabled: it can be disabled"
	case VoidRequest:
		return "that cannot be asked for"
	case VoidNotAsked:
		return "that is not under way any more"
	case VoidUnnamed:
		return "more would be given up than the override names"
	case VoidTimeline:
		return "that timeline's number was given to another server: promote this one to a new timeline first"
	case VoidPrimary:
		return "that member is the primary already"
	case VoidUnderWay:
		return "a switchover or a failover is under way already"
	case VoidSetToSwitch:
		return "the sync set is not what a switchover to that member needs"
	}
	return "unknown"
}

// Quarantined is why a member's data is not to be used until a person has looked.
type Quarantined uint8

const (
	NotQuarantined Quarantined = iota
	QuarantinedByOperator
	// QuarantinedOtherFork: it branched off elsewhere than its grant, or the grant of
	// the timeline that it follows, says.
	QuarantinedOtherFork
	// QuarantinedUnnoted: it holds WAL of a timeline that was not noted before the WAL
	// came, as of a standby that was promoted by hand.
	QuarantinedUnnoted
	// QuarantinedUnguarded: it was a primary without this library, on a timeline that
	// it was not granted.
	QuarantinedUnguarded
	// QuarantinedOtherRecord: its WAL is not the primary's, under the same timeline. One
	// of the two is somebody's handiwork, and the other may have what nobody else has: so
	// it is not made anew before a person has looked at both.
	QuarantinedOtherRecord
	// QuarantinedStoreLost: its Raft store has lost data, so nothing says what its data was.
	QuarantinedStoreLost
	quarantines // how many there are
)

// String says it for people.
func (q Quarantined) String() string {
	switch q {
	case NotQuarantined:
		return "not quarantined"
	case QuarantinedByOperator:
		return "an operator said so"
	case QuarantinedOtherFork:
		return "its timeline branches off elsewhere than the cluster's"
	case QuarantinedUnnoted:
		return "its WAL is of a timeline that pgraft did not give it: it was promoted by hand"
	case QuarantinedUnguarded:
		return "it was started as a primary without pgraft"
	case QuarantinedOtherRecord:
		return "a record of its WAL is not the primary's, under the same timeline: somebody wrote in one of the two"
	case QuarantinedStoreLost:
		return "its Raft store has lost data, so nothing says what its data was"
	}
	return "unknown"
}
