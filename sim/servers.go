package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// servers are the PostgreSQL servers of a run with failover, and what they have in
// common. The first node's is the primary at first, the others stream from it.
type servers struct {
	w         *World
	all       []*server         // of the nodes that form the cluster, by node id - 1, then of those that came later
	withData  []*server         // of these, who are no witnesses
	settings  failover.Settings // at first, and in the end
	wanted    failover.Settings // by the operator
	seal      time.Duration     // seal_timeout
	fenceWait time.Duration
	config    postgres.Config
	witness   int // so many of the last nodes have no server

	tokens    map[string]failover.Token // by application_name
	arrival   map[flow]time.Duration    // of a connection's last message
	sessions  []*session
	txns      uint64
	enabled   bool          // failover was on once
	founding  time.Duration // since when failover is being enabled
	keepsOff  int           // faults in force that have it disabled
	manual    int           // and that have the mode be manual
	impatient int           // faults in force
	asks      bool          // the operator waits for an answer
	moves     Stream        // of the operator who changes the members
	leaving   []leaving     // by node id - 1
	word      time.Duration // when the operator gave a word for it last
	handled   bool          // somebody has laid a hand on a server, or on what it has
	cut       *strike       // order-cut: an order is to be cut
	alone     *server       // it went on alone from a lost quorum, and nobody serves since
	reigns    reigns
}

// flow is one direction of a replication connection.
type flow struct {
	from, to int
	conn     uint64
}

// HasFailover says whether a run has PostgreSQL servers that fail over.
func (o Options) HasFailover() bool {
	if o.withDefaults().Nodes < 2 {
		return false
	}
	switch o.Failover {
	case FailoverOn:
		return true
	case FailoverDrawn:
		s := For(o.Seed, "failover")
		return s.Below(4) == 0
	}
	return false
}

// drawServers draws how the servers of a run are set up; nil: there are none.
func drawServers(o Options) *servers {
	if !o.HasFailover() {
		return nil
	}
	s := For(o.Seed, "servers shape")
	x := &servers{tokens: map[string]failover.Token{}, arrival: map[flow]time.Duration{},
		reigns: reigns{acked: map[uint64]acked{}, seen: map[uint64]uint64{}, given: map[uint64]uint64{}, named: map[uint64]failover.Loss{}, words: map[uint64]uint64{}, heard: map[slotKey]heardAtBegin{}, lost: map[uint64]bool{}, timelines: map[postgres.TLI]*server{},
			inForce: inForce{wish: map[uint64]time.Duration{}, told: map[uint64]postgres.Record{}, commits: map[uint64]postgres.Record{}}}}
	x.settings = failover.Settings{SyncCount: 1, Durability: Pick(&s, failover.Required, failover.Preferred),
		DelayMillis: Pick(&s, uint64(1000), 2000, 2000), SyncTimeoutMillis: Pick(&s, uint64(500), 2000)}
	if o.Nodes > 2 && s.Below(3) == 0 {
		x.witness = 1
	}
	switch data := o.Nodes - x.witness; {
	case data > 2 && s.Below(4) == 0:
		x.settings.SyncCount = 2
	case s.Below(8) == 0:
		x.settings.SyncCount = 0
	}
	lossy := For(o.Seed, "async")
	x.settings.MaximumLag = Pick(&lossy, uint64(4*postgres.PageBytes), postgres.SegmentBytes, 16*postgres.SegmentBytes)
	if lossy.Below(6) == 0 {
		x.settings.Durability = failover.Async
	}
	x.wanted = x.settings
	x.seal = Pick(&s, 500*time.Millisecond, 2*time.Second, 5*time.Second)
	x.fenceWait = Pick(&s, 200*time.Millisecond, 5*time.Second)
	x.config = postgres.Config{
		Step:            Pick(&s, 2*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond),
		Reload:          Pick(&s, 5*time.Millisecond, 50*time.Millisecond),
		ReplayTime:      Pick(&s, 100*time.Microsecond, 2*time.Millisecond),
		RetryInterval:   Pick(&s, 200*time.Millisecond, time.Second),
		SenderTimeout:   2 * time.Second,
		ReceiverTimeout: 2 * time.Second,
		StatusInterval:  time.Second,
		KeepSegments:    64,
		RecycleSegments: s.Below(3),
		MaxSend:         Pick(&s, 0, 2*postgres.PageBytes),
		Archive:         s.Below(2) == 0,
	}
	return x
}

// newServers gives the nodes their servers.
func (w *World) newServers() {
	x := w.servers
	if x == nil {
		return
	}
	x.w = w
	x.moves, x.leaving = For(w.o.Seed, "members"), make([]leaving, len(w.nodes))
	for _, n := range w.nodes[:w.o.Nodes] {
		n.version = core.FailoverVersion
		v := x.newServer(n)
		if int(n.id) <= w.o.Nodes-x.witness {
			v.install()
			x.withData = append(x.withData, v)
		}
		n.server = v
		x.all = append(x.all, v)
	}
	for _, n := range w.nodes[w.o.Nodes:] {
		n.version = core.FailoverVersion
	}
	x.newSessions()
}

// data are the servers that there are, of members that were, too.
func (x *servers) data() []*server { return x.withData }

// of is the server of a member, nil if it has none, or has become another member's.
func (x *servers) of(member uint64) *server {
	n := x.w.byID(core.NodeID(member))
	if n == nil || !n.is(member) {
		return nil
	}
	return n.withServer()
}

// serving is the server that is open in the newest epoch that any is; nil if none is.
func (x *servers) serving() (p *server) {
	for _, v := range x.data() {
		if v.serves() && !v.n.foreign() && (p == nil || v.shared.Epoch > p.shared.Epoch) {
			p = v
		}
	}
	return p
}

// tokenName is what a follower calls itself, and what the names of its primary hold.
func (x *servers) tokenName(t failover.Token) string {
	name := host.TokenName(t)
	x.tokens[name] = t
	return name
}

// priority is what failover_priority is, if nobody has set it.
const priority = 100

// slotName is the slot of a node's server on every other one, and what its walreceiver
// calls itself before failover is on.
func slotName(node uint32) string { return fmt.Sprintf("member%d", node) }

// withServer is the node's PostgreSQL server with what runs beside it; nil if it has none.
func (n *node) withServer() *server {
	if n == nil || n.server == nil || n.server.pg == nil {
		return nil
	}
	return n.server
}
