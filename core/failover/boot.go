package failover

// What a server is to do as it boots, before recovery looks at anything: rules of a few
// flags, as the fence's. The extension decides by the same rules in C, and is tested
// against the table that the tests print.

// Found is what a boot finds.
type Found struct {
	// DataNote and StoreNote say that the data directory, and the Raft store, note that
	// the server takes part.
	DataNote, StoreNote bool
	// Lowered is a setting with which recovery stops, hangs or loses: max_connections and
	// its like below what pg_control has, fsync off, recovery settings on the command line.
	Lowered bool
	// Marker, which lies outside the data directory, is of a rejoin that did not end.
	Marker bool
	// Doubted says that a boot before had a doubt, and noted it; Foreign, that neither
	// nonce of the Raft store is the data directory's.
	Doubted, Foreign bool
	// Label is a backup_label, or pg_control that names a backup's start, and no end of it
	// was replayed.
	Label bool
	// Short: valid WAL ends before minRecoveryPoint. Below: it ends before the floor in the
	// Raft store. Hole: a segment is missing before one of these.
	Short, Below, Hole bool
	// StoreLost says that the Raft store is known to have lost data.
	StoreLost bool
	// WasPrimary is what pg_control says: in production, or stopped as a primary.
	WasPrimary bool
	// Unguarded says that a boot before found it written without the library, and noted that.
	Unguarded bool
	// Granted says that the server may have written its timeline: it was granted it, or
	// joined as the primary that was on it.
	Granted bool
}

// BootRole is how a server is started.
type BootRole uint8

const (
	// BootPlain: as PostgreSQL starts it. Failover has nothing to do with it.
	BootPlain BootRole = iota
	// BootStandby: with standby.signal, and without a source of WAL.
	BootStandby
	// BootRefused: it is not started, with a line that names the setting.
	BootRefused
	// BootRejoin: it is not started, and its data is made anew by a clone.
	BootRejoin
)

// Doubt is why a server's data may be less than what the server has acknowledged.
type Doubt uint8

const (
	NoDoubt Doubt = iota
	DoubtBefore
	DoubtForeign
	DoubtBackup
	DoubtShort
	DoubtBelow
	DoubtHole
	DoubtStore
	doubts // how many there are
)

// String says it for people.
func (d Doubt) String() string {
	switch d {
	case NoDoubt:
		return "its data is what it was"
	case DoubtBefore:
		return "its data was not what it had been at a start before, and has not been made anew since"
	case DoubtForeign:
		return "its data directory is not the one of its last start: it is older, or a copy of another one"
	case DoubtBackup:
		return "its data directory was restored from a base backup"
	case DoubtShort:
		return "its WAL ends before its minimum recovery point"
	case DoubtBelow:
		return "its WAL ends before a place that it had on disk"
	case DoubtHole:
		return "a segment of its WAL is missing"
	case DoubtStore:
		return "its Raft store has lost data, so that nothing says what its data was"
	}
	return "unknown"
}

// Known says that this version knows the doubt: a note on disk may be of another one.
func (d Doubt) Known() bool { return d < doubts }

// OnlyClone says that pg_rewind cannot mend the data: it needs the target's own recovery
// first, and that does not come to its end.
func (d Doubt) OnlyClone() bool { return d == DoubtBackup || d == DoubtShort || d == DoubtHole }

// BootVerdict is what follows from what was found.
type BootVerdict struct {
	Role BootRole
	// Joined is what the host reports: both notes are there.
	Joined bool
	// Doubt, if there is one, is noted in the data directory before recovery begins, as
	// that takes some of the evidence away. The note stays until the data is made anew,
	// or trusted again. Until then the server is Untrusted, and its nonce is not renewed.
	Doubt Doubt
	// Damage is what the server is to be quarantined for. QuarantinedUnguarded is noted in the
	// data directory before recovery begins, which takes the evidence away: pg_control says
	// recovery from then on. The note stays until the data is made anew.
	Damage Quarantined
}

// Verdict is the rule.
func (f Found) Verdict() BootVerdict {
	v := BootVerdict{Joined: f.DataNote && f.StoreNote}
	switch {
	case f.Marker: // pages of two servers: whatever else there is says nothing
		return BootVerdict{Role: BootRejoin, Joined: v.Joined}
	case !f.DataNote && !f.StoreNote:
		return v
	case f.Lowered:
		v.Role = BootRefused
		return v
	}
	v.Role = BootStandby
	v.Doubt = f.doubt()
	if v.Doubt == DoubtStore {
		v.Damage = QuarantinedStoreLost
		return v
	}
	// A copy says of another server that it was a primary, a backup says of its source. Both
	// say so at each boot, until the data is made anew or trusted: the nonce is not renewed,
	// and pg_control says recovery from the first boot of a backup on. So a doubt of a boot
	// before is no reason to believe what was written without the library since.
	if f.Unguarded || f.WasPrimary && !f.Granted && !f.Foreign && !f.Label {
		v.Damage = QuarantinedUnguarded
	}
	return v
}

func (f Found) doubt() Doubt {
	switch {
	case f.StoreLost: // nothing that is made anew mends that
		return DoubtStore
	case f.Doubted:
		return DoubtBefore
	case f.Label:
		return DoubtBackup
	case f.Foreign:
		return DoubtForeign
	case f.Hole:
		return DoubtHole
	case f.Short:
		return DoubtShort
	case f.Below:
		return DoubtBelow
	}
	return NoDoubt
}

// Nonces tell a data directory from its copies: a random number that each start of the
// engine draws anew, in the data directory and in the Raft store. 0 is none.
type Nonces struct {
	Data uint64
	// Store is the Raft store's, Next the one that is to take its place. Both are written
	// at once.
	Store, Next uint64
}

// Foreign says that the data directory is not the one that this Raft store was with last.
func (n Nonces) Foreign() bool { return n.Data != n.Store && (n.Next == 0 || n.Data != n.Next) }

// Renewed is the next durable write of a renewal to a fresh nonce, done; more says that
// another one follows. The new nonce stands beside the old one in the Raft store before it
// gets into the data directory, and alone only then: after a crash between any two writes
// the data directory has one of the store's. Only data without a doubt is renewed.
func (n Nonces) Renewed(fresh uint64) (done Nonces, more bool) {
	switch {
	case n.Next != fresh && n.Store != fresh:
		return Nonces{Data: n.Data, Store: n.Data, Next: fresh}, true
	case n.Data != fresh:
		return Nonces{Data: fresh, Store: n.Store, Next: n.Next}, true
	}
	return Nonces{Data: fresh, Store: fresh}, false
}

// Anew is the same for data that was made anew, which has no nonce that counts: it has
// none of the store's until it is whole.
func (n Nonces) Anew(fresh uint64) (done Nonces, more bool) {
	if n.Store != fresh {
		return Nonces{Data: n.Data, Store: fresh}, true
	}
	return Nonces{Data: fresh, Store: fresh}, false
}

// Floor is what the Raft store keeps of how far a server's WAL was on disk. A flush position
// alone is ordinarily past the end of valid WAL, as it may be in the middle of a record: on
// a primary, whose WAL writer flushes whole pages, too. So record is where a record ends:
// of a primary, its insert position before it flushed; of a standby, what is replayed, and
// flushed what a walreceiver of this boot has. The floor is written every FloorMillis, and
// with each seal the end of valid WAL is. It is never lowered. ok is false where there is
// none.
func Floor(recovery bool, epoch, flushed, record uint64) (p Position, ok bool) {
	if recovery { // up to record all is there
		return Position{epoch, min(flushed, record)}, flushed > 0
	}
	return Position{epoch, record}, flushed >= record
}

// FloorMillis is how often the floor is written: a copy of the data directory that is
// younger, and put back within one boot, is not found.
const FloorMillis = 10_000
