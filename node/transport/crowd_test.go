package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
)

func TestCrowd(t *testing.T) {
	cs := newCrowds()
	now := time.Unix(0, 0)
	cs.now = func() time.Time { return now }
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	strangers, members, two := crowdKey{}, crowdKey{members: true}, crowdKey{node: 2}
	lines := func(k crowdKey, a netip.Addr, n int, text string) (said int) {
		for i := range n {
			if cs.allow(k, a, strings.ReplaceAll(text, "%", fmt.Sprint(i))) {
				said++
			}
		}
		return said
	}
	if got := lines(strangers, a, 1000, "noise %"); got != crowdLines {
		t.Errorf("%d of a stranger's lines at once", got)
	}
	if got := lines(members, b, 5, "from a member's address %") + lines(two, b, 5, "refused as node 2: %"); got != 10 {
		t.Errorf("%d of 10 lines that are no stranger's", got)
	}
	if got := lines(two, b, 5, "refused as node 2: 0"); got != 0 {
		t.Errorf("a line was said %d times more", got)
	}
	now = now.Add(time.Minute)
	if got := lines(strangers, b, 1000, "more noise %"); got != crowdLines {
		t.Errorf("%d lines after a minute", got)
	}
	want := "closed 2000 connections of strangers in 1m0s, from 2 addresses, 1000 of them from 192.0.2.1; not all of them have a line"
	if got := cs.summaries(); len(got) != 1 || got[0] != want {
		t.Errorf("summaries %q, want %q", got, want)
	}
	if !cs.quiet() || len(cs.summaries()) != 0 {
		t.Error("counted twice")
	}
	// Who looks after the port every second is not worth a count; an attack that
	// says the same again and again is.
	now = now.Add(time.Minute)
	lines(strangers, a, 60, "the same")
	now = now.Add(time.Minute)
	if got := cs.summaries(); len(got) != 0 {
		t.Errorf("summaries %q", got)
	}
	lines(members, a, 700, "the same")
	lines(two, b, 700, "the same")
	now = now.Add(time.Minute)
	if got := cs.summaries(); len(got) != 2 || !strings.HasPrefix(got[0], "closed 700 connections from members' addresses that did not say who they were in 1m0s, all from 192.0.2.1;") ||
		!strings.HasPrefix(got[1], "closed 700 connections that said that they were node 2 in 1m0s, all from 2001:db8::1;") {
		t.Errorf("summaries %q", got)
	}
	for i := range 2 * maxCrowdSources {
		cs.allow(strangers, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), fmt.Sprint(i))
	}
	if c := cs.all[strangers]; len(c.sources) != maxCrowdSources || len(c.said) > maxCrowdTopics {
		t.Errorf("%d addresses and %d lines are remembered", len(c.sources), len(c.said))
	}
	now = now.Add(time.Second)
	if got := cs.summaries(); len(got) != 1 || !strings.Contains(got[0], "from 1024 addresses or more, 1 of them from 10.0.0.0;") {
		t.Errorf("summaries %q", got)
	}
	now = now.Add(repeatLogAfter)
	if cs.summaries(); len(cs.all) != 0 {
		t.Errorf("%d crowds are remembered", len(cs.all))
	}
}

// TestNoiseDrownsNoMember: strangers of more addresses than can be remembered send
// noise. They get few lines and a count; what concerns members is said.
func TestNoiseDrownsNoMember(t *testing.T) {
	a, b := pair(t, func(_ *fakeNode, c *Config) { c.SummaryAfter = 300 * time.Millisecond })
	const strangers = 1100
	for i := range strangers {
		c := rawDialFrom(t, fmt.Sprintf("127.1.%d.%d", i/250, 1+i%250), a.port(), []byte(fmt.Sprintf("noise %d", i)))
		waitClosed(t, c)
	}
	if n := a.log.count("not a pgraft node"); n == 0 || n > 3*crowdLines {
		t.Errorf("%d lines about strangers", n)
	}
	a.log.wait(t, "connections of strangers in")

	// A copy of node 2 knocks: an identity alarm.
	copied := identity(2)
	copied.ReplicaUUID = [16]byte{99}
	c := rawDial(t, a, greeting(t, copied.Hello(speaks, a.member(), 1)))
	w := &corepb.Welcome{}
	if err := readGreeting(c.br, w); err != nil || w.GetRefusal() != corepb.Refusal_DUPLICATE {
		t.Fatalf("welcome %v, error %v", w, err)
	}
	a.log.wait(t, "refused a connection of node 2 from 127.0.0.1: "+errTwoOfOne.Error())
	b.close(t)
	a.log.wait(t, "connection of node 2 (incarnation 7) at 127.0.0.1 ended")
	a.log.wait(t, "cannot connect to node 2 (incarnation 7)")
}

// TestLongNames: what others say of themselves makes no long lines, nor several.
func TestLongNames(t *testing.T) {
	n := newNode(t, 1)
	long := identity(2)
	long.ClusterID = strings.Repeat("x", 60_000)
	waitClosed(t, rawDial(t, n, greeting(t, long.Hello(speaks, n.member(), 1))))
	n.log.wait(t, "refused a connection of node 2 from 127.0.0.1: node 2 has cluster_id \"xxx")

	ln := rawServer(t)
	go serveRaw(ln, func(nc net.Conn) {
		_ = writeGreeting(nc, &corepb.Welcome{Refusal: corepb.Refusal_OTHER_NODE, Reason: "no\nERROR:  of two lines" + strings.Repeat("y", 60_000)})
	})
	n.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	n.log.wait(t, "refused our connection: no ERROR:  of two lines")
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	for _, s := range n.log.all {
		if len(s) > maxLineBytes+3 {
			t.Errorf("a line of %d bytes", len(s))
		}
	}
	if e := n.stat(raftID(2)).LastError; len(e) > maxLineBytes+3 || strings.Contains(e, "\n") {
		t.Errorf("the last error has %d bytes", len(e))
	}
}
