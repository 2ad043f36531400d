package core_test

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain/retaintest"
)

// printer is a host without network, whose disk is durable at once. It prints what the
// core has it do, and queues the inputs that the host owes for it.
type printer struct {
	retaintest.None // it has no database
	owed            []core.Input
}

func (p *printer) Clock() *core.Clock          { return nil }
func (*printer) Failover(core.FailoverOutput)  { panic("failover is on nowhere") }
func (p *printer) Publish(core.Status, int64)  {}
func (p *printer) Removed()                    {}
func (p *printer) MembersChanged(core.Members) {}
func (p *printer) Send(core.Send)              {}
func (p *printer) Event(e core.Event)          { fmt.Println("log:", e.Text) }

func (p *printer) Persist(batches []core.Persist) {
	p.owed = append(p.owed, core.Persisted{Seq: batches[len(batches)-1].Seq})
}

func (p *printer) Apply(entries []core.Apply) (taken bool) {
	for _, e := range entries {
		fmt.Printf("apply %d: %s\n", e.Index, e.Data)
	}
	return true
}

func (p *printer) Reply(r core.Reply) {
	fmt.Printf("reply to %d: code %d, at index %d, term %d\n", r.ID, r.Code, r.Index, r.Term)
}

// perform gives an input to the core, and then what the host owes for its output.
func (p *printer) perform(c *core.Core, in core.Input) {
	for p.owed = append(p.owed, in); len(p.owed) > 0; {
		next := p.owed[0]
		p.owed = p.owed[1:]
		core.Perform(c, next, p)
	}
}

// A node founds a cluster, leads it after an election timeout, and commits an entry.
func Example() {
	id := core.Identity{ClusterID: "orders", NodeID: 1, ReplicaUUID: [16]byte{1}, ClusterUUID: [16]byte{2}, RaftID: core.RaftID(1, 1)}
	cfg := core.Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, Seed: 1, Newest: core.NewestVersion, SnapshotEntries: 1000, MaxEntryBytes: 1 << 20}
	c, err := core.New(cfg, core.Bootstrap(id, "10.0.0.1", 7001, core.NewestVersion))
	if err != nil {
		fmt.Println(err)
		return
	}
	host := &printer{}
	for c.Status().LeaseTicks == 0 { // a second or two, were a tick 100 ms long
		host.perform(c, core.Tick{})
	}
	host.perform(c, core.Propose{ID: 1, RequestID: [16]byte{3}, Data: []byte("a fact")})
	host.perform(c, core.Propose{ID: 2, RequestID: [16]byte{3}, Data: []byte("a fact")}) // again: committed once
	// Output:
	// log: this node leads in term 2
	// apply 3: a fact
	// reply to 1: code 0, at index 3, term 2
	// reply to 2: code 0, at index 3, term 2
}

// Every connection begins with a Hello, and Greet decides on it: here a member of
// another cluster is refused.
func ExampleGreet() {
	self := core.Identity{ClusterID: "orders", NodeID: 1, ReplicaUUID: [16]byte{1}, ClusterUUID: [16]byte{2}, RaftID: core.RaftID(1, 1)}
	other := core.Identity{ClusterID: "billing", NodeID: 2, ReplicaUUID: [16]byte{3}, ClusterUUID: [16]byte{4}, RaftID: core.RaftID(1, 2)}
	speaks := core.Range{Oldest: core.OldestVersion, Newest: core.NewestVersion}
	fmt.Println(core.Greet(self, core.NewestVersion, core.Members{}, other.Hello(speaks, nil, 1)).Reason)
	// Output:
	// node 2 has cluster_id "billing", node 1 has "orders"
}

// SQL's node ids may be used again, Raft's never are.
func ExampleRaftID() {
	id := core.RaftID(7, 3)
	fmt.Printf("%#x is node %d, incarnation %d\n", id, core.NodeID(id), core.Incarnation(id))
	// Output:
	// 0x700000003 is node 3, incarnation 7
}
