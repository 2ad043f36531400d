package failover

import (
	"cmp"
	"fmt"
	"slices"
)

// Config is what a machine is made with.
type Config struct {
	Self       uint64
	TickMillis uint64
	// ElectionTicks is for how long a member may be silent until it counts as away.
	ElectionTicks uint64
	// SealMillis is seal_timeout: for how long a leader waits for reports that may
	// still improve its choice.
	SealMillis uint64
}

func (c Config) ticks(millis uint64) uint64 { return (millis + c.TickMillis - 1) / c.TickMillis }

// Machine is one member's part. It is not safe for concurrent use.
type Machine struct {
	cfg    Config
	boot   uint64
	has    bool // the host has reported a server
	server Server
	moved  uint64  // tick at which its replay position last moved
	peers  []peer  // what the others told, by Raft id
	heard  []heard // when anyone of them last heard a member, by Raft id

	start    uint64 // tick at which the machine was made
	term     uint64
	leader   uint64 // whom it followed, or itself; 0: nobody
	elected  uint64 // tick at which this node was elected last
	leads    bool
	ledSince uint64 // tick
	leased   uint64 // tick at which it had the lease last; 0: never
	reign    reign
	sent     []sent // proposals under way
	port     Port
	answered bool   // the primary's port has, in this epoch
	resetAt  uint64 // tick at which it was seen that connections were reset

	announced []Token   // by Member
	compares  []compare // by Member

	// Of the primary:
	lags      []lag // by member
	change    change
	decisions uint64 // how many changes of the set this engine has decided on
	named     Names  // that were ordered last
	logged    uint64 // Progress that was proposed last
	since     uint64 // Reign.Since for which limited is the number that the limit is published with
	limited   uint64
	// want is the set that is to be in force in place of the usual one, if wants.
	wants bool
	want  Set
	// wishing says that a switchover wants one.
	wishing bool

	joins Joining // what an operator has asked this node for
	news  bool    // what others wait for has changed since this node told them
}

// peer is what another member told last.
type peer struct {
	id    uint64
	at    uint64 // tick at which it was heard
	moved uint64 // tick at which it told of another replay position than before
	told  Told
}

// heard is the tick at which somebody heard a member. It stays known when who said so
// starts again, and knows it no more.
type heard struct{ member, at uint64 }

// reign is what a machine remembers of the newest epoch.
type reign struct {
	epoch    uint64
	stage    Stage
	since    uint64 // tick at which this stage was seen first
	good     uint64 // tick at which the primary's server was last seen to be what it should
	setSeen  uint64 // tick at which enough of the set were last there
	met      bool   // R was enough, since metAt
	metAt    uint64
	gave     bool // leadership was handed on, at gaveAt
	gaveAt   uint64
	handed   bool // it was given to the primary and did not stay there, since handedAt
	handedAt uint64
	led      uint64 // tick at which this node last led
	proof    uint64 // what the primary has flushed after it knew of this boot; 0: not known
	asked    uint64 // the request that was seen last, at askedAt
	askedAt  uint64
	// switchedAt is the tick at which a switchover was seen that lets no commit begin;
	// mark, what was flushed as it was asked for.
	switchedAt uint64
	mark       uint64
	// founded is what was flushed once Server.Founded was this epoch; 0 before.
	founded uint64
}

// sent is a proposal: again at the tick, or in another term.
type sent struct {
	kind  kind
	epoch uint64
	term  uint64
	again uint64
}

// compare is what is known of a follower's last record.
type compare struct {
	member uint64
	boot   uint64
	known  bool
	have   bool
	equal  bool
}

// kind tells proposals apart.
type kind uint8

const (
	kindBegin kind = iota
	kindGrant
	kindReport
	kindForked
	kindOpen
	kindReopen
	kindDescribe
	kindQuarantine
	kindChange
	kindProgress
	kindAbort
	kindSwitchover
)

// Around is what a machine is told of Raft with each decision.
type Around struct {
	Now  uint64 // ticks since this node's core started
	Term uint64
	// Leader is whom this node follows, or itself; 0: nobody.
	Leader uint64
	// Quorum says that it hears a quorum of the voters, itself among them.
	Quorum bool
	// Current says that a read of the log that began after this engine started has
	// ended: State is not older than that. Until then a server does nothing but seal.
	Current bool
	// Leads says that this node leads and has applied an entry of its own term; Lease,
	// that it holds Raft's lease.
	Leads, Lease bool
	Applied      uint64 // index
	State        *State
	Voters       []uint64
	Peers        []Peer // the other members
}

// Peer is another member, and for how many ticks this node has not heard it.
type Peer struct {
	ID     uint64
	Silent uint64 // Never: never since this node started
	Closed bool   // it has no connection to this node, and its port refuses one
}

// Never is the silence of one that was never heard.
const Never = ^uint64(0)

// New returns the machine of a node whose engine starts with this boot number at the
// tick now: a counter in the Raft store, raised and durable before.
func New(cfg Config, boot, now uint64) *Machine {
	if cfg.Self == 0 || cfg.TickMillis == 0 || cfg.ElectionTicks == 0 || boot == 0 {
		panic(fmt.Sprintf("failover: New(%+v, %d)", cfg, boot))
	}
	return &Machine{cfg: cfg, boot: boot, start: now, reign: reign{since: now, good: now, setSeen: now}}
}

// SetTiming is for a replay with another configuration.
func (m *Machine) SetTiming(tickMillis, electionTicks uint64) {
	m.cfg.TickMillis, m.cfg.ElectionTicks = tickMillis, electionTicks
}

// Report takes what the host says of its server. It shares no memory with v.
func (m *Machine) Report(v Server, now uint64) {
	if !m.has || v.Replayed != m.server.Replayed {
		m.moved = now
	}
	m.news = m.news || !m.has || !m.server.alike(&v)
	v.History, v.Senders = slices.Clone(v.History), slices.Clone(v.Senders)
	v.Names.Members, v.Names.Tokens = slices.Clone(v.Names.Members), slices.Clone(v.Names.Tokens)
	m.has, m.server = true, v
}

// Server is what Report took last; false if it never did.
func (m *Machine) Server() (Server, bool) { return m.server, m.has }

// Hear takes what another member tells; what an engine of it before the last one that
// was heard told comes late, and is dropped. It keeps what told points to.
func (m *Machine) Hear(from uint64, told Told, now uint64) {
	i, ok := slices.BinarySearchFunc(m.peers, from, func(p peer, id uint64) int { return cmp.Compare(p.id, id) })
	if !ok {
		m.peers = slices.Insert(m.peers, i, peer{id: from, moved: now})
	}
	p := &m.peers[i]
	if told.Boot < p.told.Boot {
		return
	}
	if p.told.Replayed != told.Replayed || p.told.Boot != told.Boot {
		p.moved = now
	}
	p.at, p.told = now, told
	for _, h := range told.Heard {
		if ago := m.cfg.ticks(h.Millis); ago <= now {
			m.heard = put(m.heard, heard{h.Member, max(now-ago, m.heardAt(h.Member))}, func(h heard) uint64 { return h.member })
		}
	}
}

// heardAt is when one of the others last heard a member; 0: none has said so.
func (m *Machine) heardAt(id uint64) uint64 {
	i, ok := slices.BinarySearchFunc(m.heard, id, func(h heard, id uint64) int { return cmp.Compare(h.member, id) })
	if !ok {
		return 0
	}
	return m.heard[i].at
}

// See takes what the host sees of the primary's port.
func (m *Machine) See(p Port, now uint64) {
	if p.Reset && !m.port.Reset {
		m.resetAt = now
	}
	if p.Member != m.port.Member || p.Epoch != m.port.Epoch {
		m.answered = false
	}
	m.port = p
	m.answered = m.answered || p.Answers
}

// Compared takes the answer to a Compare. The first one stands: the WAL may be gone by the
// next one.
func (m *Machine) Compared(c Compared) {
	for i := range m.compares {
		if x := &m.compares[i]; x.member == c.Member && x.boot == c.Boot && !x.known {
			x.known, x.have, x.equal = true, c.Have, c.Equal
			m.news = true
		}
	}
}

// Refused says that the log did not take Output.Append: it may come again.
func (m *Machine) Refused() {
	m.sent = slices.DeleteFunc(m.sent, func(x sent) bool { return x.kind == kindBegin || x.kind == kindGrant || x.kind == kindAbort })
}

// Decide says what is to be done now. It is called after each input and at each tick.
func (m *Machine) Decide(a Around) Output {
	m.observe(a)
	var out Output
	m.describe(a, &out)
	if a.State.Mode == ModeOff {
		m.ended(a, &out)
	} else {
		if m.has {
			m.member(a, &out)
		}
		if a.Leads {
			m.lead(a, &out)
		} else if a.Leader == m.cfg.Self { // no entry of its term is committed
			out.Nobody = Why{Reason: EntryUnderWay}
		}
	}
	out.Tell, m.news = m.news, false
	out.Shared = m.shared(a)
	return out
}

// observe notes what has changed around.
func (m *Machine) observe(a Around) {
	if a.Leads && (!m.leads || a.Term != m.term) {
		m.ledSince = a.Now
	}
	if a.Leader != m.leader || a.Term != m.term {
		m.elected = a.Now // where it is this node
		m.news = m.news || a.Leader != 0
	}
	m.leader, m.leads, m.term = a.Leader, a.Leads, a.Term
	if a.Leads && a.Lease {
		m.leased = a.Now
	}
	e := &a.State.Epoch
	r := &m.reign
	if e.Number != r.epoch {
		*r = reign{epoch: e.Number, stage: e.Stage, since: a.Now, good: a.Now, setSeen: a.Now, led: a.Now}
		m.announced, m.compares, m.sent, m.answered = nil, nil, nil, false
		m.lags, m.change, m.wants, m.want, m.wishing = nil, change{}, false, Set{}, false
		m.logged, m.since, m.limited, m.news = 0, 0, 0, true
	} else if e.Stage != r.stage {
		r.stage, r.since, r.good, r.setSeen, m.news = e.Stage, a.Now, a.Now, a.Now, true
	}
	if a.Leads {
		r.led = a.Now
	}
	m.proves(a)
	if e.Ask.Index != r.asked {
		r.asked, r.askedAt, r.switchedAt, r.mark = e.Ask.Index, a.Now, 0, m.server.Flushed
	}
	if e.Ask.Way == WaySwitching && r.switchedAt == 0 {
		r.switchedAt = a.Now
	}
	// Who has not led for long knows nothing of how it went on: whoever led in its
	// place has counted for itself. Nor does one who is cut off.
	if e.Primary != 0 && a.Leader == e.Primary || !a.Quorum || a.Now-r.led >= 2*m.cfg.ticks(a.State.Settings.DelayMillis) {
		r.handed = false
	}
	away := func(id uint64) bool { return !slices.ContainsFunc(a.Peers, func(x Peer) bool { return x.ID == id }) }
	m.peers = slices.DeleteFunc(m.peers, func(p peer) bool { return away(p.id) })
	m.heard = slices.DeleteFunc(m.heard, func(h heard) bool { return away(h.member) })
}

// lead is what only the Raft leader does.
func (m *Machine) lead(a Around, out *Output) {
	switch {
	case !m.informed(a) && !m.handedOn(a):
		out.Nobody = Why{Reason: NotInformed}
	case a.State.Epoch.Stage == StageBegun:
		m.choose(a, out)
	default:
		m.time(a, out)
	}
}

// due says whether a proposal is to be made now, and notes that it is. One that may
// be lost is made again after an election timeout, or in another term. While nobody
// leads it would be lost for sure.
func (m *Machine) due(k kind, a Around) bool {
	if a.Leader == 0 && !a.Leads {
		return false
	}
	epoch := a.State.Epoch.Number
	for i := range m.sent {
		x := &m.sent[i]
		if x.kind != k {
			continue
		}
		if x.epoch == epoch && x.term == a.Term && (k == kindBegin || a.Now < x.again) {
			return false
		}
		*x = sent{k, epoch, a.Term, a.Now + m.cfg.ElectionTicks}
		return true
	}
	m.sent = append(m.sent, sent{k, epoch, a.Term, a.Now + m.cfg.ElectionTicks})
	return true
}
