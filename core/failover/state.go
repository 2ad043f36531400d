package failover

import (
	"cmp"
	"slices"
)

// Bounds of the replicated state.
const (
	// MaxForks is how many timelines of the lineage are kept, the newest, with all
	// that were granted since the last epoch that opened. A server whose WAL is older
	// than that joins anew.
	MaxForks = 1024
	// MaxPast is how many epochs the history of the cluster holds, the newest.
	MaxPast = 64
	// MaxSetMembers bounds a sync set.
	MaxSetMembers = 64
	// MaxAddressBytes bounds a member's replication address.
	MaxAddressBytes = 1024
)

// Mode is whether the cluster fails over by itself.
type Mode uint8

const (
	ModeOff      Mode = iota
	ModeFounding      // enabled, but no epoch has opened yet
	ModeOn
	ModeManual // only the primary of the last open epoch gets the next one by itself
)

// Stage is how far the newest epoch has come.
type Stage uint8

const (
	StageNone    Stage = iota // failover is off, or was never on
	StageBegun                // members seal, and report
	StageGranted              // its primary may promote
	StageForked               // its primary has promoted, and waits for its sync set
	StageOpen                 // its primary serves
)

// Durability is whether W may be lowered when members are away.
type Durability uint8

const (
	Required  Durability = iota // never: commits wait
	Preferred                   // down to 0, through the log
	Async                       // it is 0, and a failover may give up commits, up to maximum_lag
)

// Settings are the cluster's, not one server's.
type Settings struct {
	Durability Durability
	SyncCount  uint32 // W: how many of the sync set must have flushed a commit
	// DelayMillis is failover_delay: for how long a primary may be away before another
	// epoch begins.
	DelayMillis uint64
	// SyncTimeoutMillis is for how long a forked epoch may wait for its sync set until
	// a diverged member of that set may rewind onto it.
	SyncTimeoutMillis uint64
	// MaximumLag is for how many bytes of WAL a failover may give up what was acknowledged,
	// where durability is async.
	MaximumLag uint64
}

// DefaultSettings are those of a cluster whose operator said nothing.
func DefaultSettings() Settings {
	return Settings{SyncCount: 1, DelayMillis: 2000, SyncTimeoutMillis: 2000, MaximumLag: 1 << 20}
}

// These bound MaximumLag: the primary logs its progress four times in so many bytes.
const (
	MinLag = 4
	MaxLag = 1 << 40
)

// MaxSettingMillis bounds the times in Settings: a day.
const MaxSettingMillis = 24 * 3600 * 1000

func (s Settings) fit() bool {
	return s.Durability <= Async && (s.Durability != Async || s.MaximumLag >= MinLag) && s.MaximumLag <= MaxLag && s.SyncCount <= MaxSetMembers &&
		s.DelayMillis > 0 && s.DelayMillis <= MaxSettingMillis &&
		s.SyncTimeoutMillis > 0 && s.SyncTimeoutMillis <= MaxSettingMillis
}

// Set is a sync set: a commit counts once W of the members have flushed it.
type Set struct {
	W       uint32
	Members []uint64 // Raft ids, ascending
}

func (s Set) Has(id uint64) bool {
	_, ok := slices.BinarySearch(s.Members, id)
	return ok
}

// sound says that the set can be met, is in order, and does not name its primary.
func (s Set) sound(primary uint64) bool {
	for i, id := range s.Members {
		if id == 0 || id == primary || i > 0 && s.Members[i-1] >= id {
			return false
		}
	}
	return len(s.Members) <= MaxSetMembers && int(s.W) <= len(s.Members)
}

func (s Set) clone() Set { return Set{s.W, slices.Clone(s.Members)} }

// Epoch is the reign of one primary.
type Epoch struct {
	Number uint64
	Stage  Stage
	// From StageGranted on:
	Primary  uint64
	Boot     uint64   // of the primary's engine, as the log knows it
	From     Position // the granted position: the new timeline branches off there
	Timeline uint32
	Set      Set
	// SetVersion counts the changes of Set since the grant.
	SetVersion uint64
	// Changed is the index of the entry that brought the epoch to its stage.
	Changed uint64
	Ask     Ask
	// Overrides is who may be granted the epoch though Loss is given up by that; 0: nobody.
	// It is the operator's word, and stands here before it takes effect.
	Overrides uint64
	Loss      Loss
}

// Reign is what is kept of the last epoch that opened: the next one is judged by it.
type Reign struct {
	Number  uint64
	Primary uint64
	Set     Set // as it was when the next epoch began
	// With async: how far its WAL reached when that was last logged, and maximum_lag then;
	// 0: nobody but Primary has all that can have been acknowledged.
	Progress uint64
	Lag      uint64
	// Since is the index of the entry from which on Primary acknowledges by the same rule.
	Since uint64
}

// Met is the rule of step 2: whether the members of whom has is true include one that
// flushed every commit that this reign can have acknowledged. That is so where fewer
// than W of the set are missing, and where the primary itself is there, as nothing is
// acknowledged before it is flushed there.
func (r Reign) Met(has func(id uint64) bool) bool {
	if has(r.Primary) {
		return true
	}
	n := 0
	for _, id := range r.Set.Members {
		if has(id) {
			n++
		}
	}
	return n+int(r.Set.W) > len(r.Set.Members)
}

// Reported is a member's report for the epoch that begins.
type Reported struct {
	Member   uint64
	Boot     uint64
	Position Position
}

// Member is what failover knows of a member.
type Member struct {
	ID       uint64
	Address  string // where its server takes replication connections, as libpq reads it
	Data     bool   // it has a PostgreSQL server; false: a witness
	Joined   bool   // that it takes part is noted durably, in its data directory and its Raft store
	Priority uint32 // 0: never primary
	Boot     uint64 // of the engine that described it last
	Known    uint64 // index of the entry from which on the log knows of Boot
	// Quarantined, if not NotQuarantined, is why its data is not to be used.
	Quarantined Quarantined
	// Failed is how often in a row it was granted an epoch that did not open: it did not
	// promote, or reaches too few to lead, or its set could not follow.
	Failed uint32
}

// in says that it takes part with its data, as far as it says itself.
func (m *Member) in() bool { return m.Data && m.Joined && m.Priority > 0 }

// Past is an epoch in the history of the cluster.
type Past struct {
	Epoch    uint64
	Primary  uint64
	From     Position
	Timeline uint32
	Granted  uint64 // index in the log
	Opened   uint64 // index in the log; 0: it never opened
	// GivenUp, if not 0, is the LSN up to which commits can have been acknowledged in the last
	// epoch that had opened; those behind Kept are lost (async): From's WAL is that epoch's up
	// to there.
	GivenUp, Kept uint64
	Loss          Loss // what was given up for it by an override
}

// State is the replicated state. The zero value is that of a cluster that never had
// failover. Only Apply and Forget change it.
type State struct {
	System    uint64 // the servers' system identifier
	Mode      Mode
	Settings  Settings
	Epoch     Epoch // the newest
	Last      Reign // the last one that opened; Number 0: none
	Reports   []Reported
	Forks     []Fork // the lineage of Last, and all that was granted since; parents before children
	Timelines uint32 // the highest timeline number that was ever given
	Members   []Member
	Past      []Past // by epoch
}

// Member returns what is known of a member, nil if nothing is.
func (s *State) Member(id uint64) *Member {
	i, ok := slices.BinarySearchFunc(s.Members, id, func(m Member, id uint64) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return nil
	}
	return &s.Members[i]
}

// primaryOf is whose epoch a number is, 0 for what is from before failover; known is false
// if the log has forgotten it.
func (s *State) primaryOf(epoch uint64) (id uint64, known bool) {
	for _, p := range s.Past {
		if p.Epoch == epoch {
			return p.Primary, true
		}
	}
	return 0, epoch == 0
}

// epochOn is the last epoch that was on a timeline, 0 if there was none, or the log has
// forgotten it.
func (s *State) epochOn(timeline uint32) (epoch uint64) {
	for _, p := range s.Past {
		if p.Timeline == timeline {
			epoch = p.Epoch
		}
	}
	return epoch
}

// Report returns a member's report for the epoch that begins, nil if there is none.
func (s *State) Report(id uint64) *Reported {
	i, ok := slices.BinarySearchFunc(s.Reports, id, func(r Reported, id uint64) int { return cmp.Compare(r.Member, id) })
	if !ok {
		return nil
	}
	return &s.Reports[i]
}

// Electable says whether a member may become primary, and whether a sync set may name
// it: a voter that has data and has joined, with a priority, and not quarantined.
// voters are Raft ids.
func (s *State) Electable(id uint64, voters []uint64) bool {
	m := s.Member(id)
	return m != nil && m.in() && m.Quarantined == NotQuarantined && slices.Contains(voters, id)
}

// Clone returns a copy that shares no memory.
func (s *State) Clone() State {
	c := *s
	c.Epoch.Set, c.Last.Set = s.Epoch.Set.clone(), s.Last.Set.clone()
	c.Reports, c.Forks = slices.Clone(s.Reports), slices.Clone(s.Forks)
	c.Members, c.Past = slices.Clone(s.Members), slices.Clone(s.Past)
	c.Epoch.Loss = s.Epoch.Loss.clone()
	for i := range c.Past {
		c.Past[i].Loss = c.Past[i].Loss.clone()
	}
	return c
}

// put inserts x, or replaces the element with its key, in a list that is ascending.
func put[T any](list []T, x T, key func(T) uint64) []T {
	i, ok := slices.BinarySearchFunc(list, key(x), func(e T, k uint64) int { return cmp.Compare(key(e), k) })
	if ok {
		list[i] = x
		return list
	}
	return slices.Insert(list, i, x)
}
