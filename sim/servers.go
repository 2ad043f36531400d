package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// servers are the PostgreSQL servers of a run with failover, and what they have in
// common. The first node's is the primary at first, the others stream from it.
type servers struct {
	w         *World
	all       []*server // of the nodes that form the cluster, by node id - 1
	settings  failover.Settings
	seal      time.Duration // seal_timeout
	fenceWait time.Duration
	config    postgres.Config
	witness   int // so many of the last nodes have no server

	tokens    map[string]failover.Token // by application_name
	arrival   map[flow]time.Duration    // of a connection's last message
	sessions  []*session
	txns      uint64
	enabled   bool // failover was on once
	impatient int  // faults in force
	asks      bool // the operator waits for an answer
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
		reigns: reigns{acked: map[uint64]acked{}, seen: map[uint64]uint64{}, timelines: map[postgres.TLI]*server{}}}
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
	for _, n := range w.nodes[:w.o.Nodes] {
		n.version = core.FailoverVersion
		v := &server{n: n, draws: For(w.o.Seed, "server", uint64(n.id)), in: x}
		if int(n.id) <= w.o.Nodes-x.witness {
			v.install()
		}
		n.server = v
		x.all = append(x.all, v)
	}
	for _, n := range w.nodes[w.o.Nodes:] {
		n.version = core.FailoverVersion
	}
	x.newSessions()
}

// data are the servers that there are.
func (x *servers) data() []*server { return x.all[:len(x.all)-x.witness] }

// of is the server of a member, nil if it has none.
func (x *servers) of(member uint64) *server {
	return x.w.byID(core.NodeID(member)).withServer()
}

// serving is the server that is open in the newest epoch that any is; nil if none is.
func (x *servers) serving() (p *server) {
	for _, v := range x.data() {
		if v.serves() && (p == nil || v.shared.Epoch > p.shared.Epoch) {
			p = v
		}
	}
	return p
}

// tokenName is what a follower calls itself, and what the names of its primary hold.
func (x *servers) tokenName(t failover.Token) string {
	name := fmt.Sprintf("pgraft-%d-%d-%d-%d", t.Epoch, t.Boot, core.NodeID(t.Member), t.Follow)
	x.tokens[name] = t
	return name
}

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
