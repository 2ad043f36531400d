package sim

import (
	"slices"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// protocolStep is how far the versions of two builds are apart that refuse each other,
// see faultUpgrade.
const protocolStep = 100

// config is what its core is made with, but for the seed.
func (n *node) config() core.Config {
	cfg := n.timing
	cfg.Identity, cfg.Newest = n.identity, n.version
	if n.server != nil && !n.server.apart {
		cfg.Failover = core.FailoverConfig{Boot: n.server.boot, SealMillis: uint64(n.server.in.seal / time.Millisecond)}
	}
	return cfg
}

// knows is the newest version that the build knows which is installed on the server.
func (n *node) knows() uint32 { return max(n.version, core.OldestVersion) }

func (n *node) hello(to *corepb.Member, toNode uint32) *corepb.Hello {
	h := n.identity.Hello(n.members.Speaks(n.knows()), to, toNode)
	h.Protocol += n.protocol * protocolStep
	h.Newest += n.protocol * protocolStep
	return h
}

// judge is core.Greet for what a node of the same protocol says.
func (n *node) judge(hello *corepb.Hello) core.Verdict {
	before := n.protocol * protocolStep
	hello.Protocol -= min(hello.Protocol, before) // 0: an older one
	hello.Newest -= min(hello.Newest, before)
	return core.Greet(n.identity, n.knows(), n.members, hello)
}

func (n *node) welcome(v core.Verdict) *corepb.Welcome {
	return n.identity.Welcome(n.members.Speaks(n.knows()), v)
}

// install puts another build on a server, and starts its process anew with it.
func (n *node) install(newest uint32) {
	n.version = newest
	n.startAnew()
}

// hangUpTooOld ends the connections of builds that do not know the cluster's version,
// as package node's transport does.
func (n *node) hangUpTooOld() {
	for _, p := range slices.Clone(n.peers) { // some end with their connection
		for _, c := range [2]*conn{p.out, p.in} {
			if c != nil && c.knows(n) < n.members.Version {
				n.hangUp(c)
			}
		}
	}
}

// knows is what the build at the other end of n knows, as the handshake said.
func (c *conn) knows(n *node) uint32 {
	if n == c.a {
		return c.bKnows
	}
	return c.aKnows
}

// finishInstalls brings all servers to the newest build.
func (w *World) finishInstalls() {
	newest := uint32(0)
	for _, n := range w.nodes {
		newest = max(newest, n.version)
	}
	for _, n := range w.nodes {
		if n.version < newest {
			n.install(newest)
		}
	}
}

// versionIn is the cluster version in a snapshot; 0 if it says none.
func versionIn(snapshot *pb.Snapshot) uint32 {
	var s corepb.State
	if proto.Unmarshal(snapshot.GetData(), &s) != nil {
		return 0
	}
	return s.GetClusterVersion()
}

// build is which build a server has from an instant on.
type build struct {
	at    time.Duration
	knows uint32
}

// knewSince says that a build which knows a version was installed on the server at
// some time after an instant.
func (n *node) knewSince(version uint32, at time.Duration) bool {
	for i := len(n.builds) - 1; i >= 0; i-- {
		if n.builds[i].knows >= version {
			return true
		}
		if n.builds[i].at <= at {
			break
		}
	}
	return false
}
