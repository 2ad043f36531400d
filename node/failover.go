package node

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// serverHost is the host of this node's PostgreSQL server, as package host has it, beside a
// runner. One goroutine of its own calls the server: the core never waits for that. What the
// server is goes to the core as inputs, and what the core orders comes back by take.
type serverHost struct {
	n      *Node
	r      *runner
	server Server
	boot   uint64
	before *serverHost     // whose goroutine ends first; nil: there was none
	quit   <-chan struct{} // the runner has stopped: nothing is begun any more
	ended  chan struct{}
	wake   chan struct{} // 1 slot
	port   *portWatch

	mu      sync.Mutex
	orders  []failover.Order // the newest that the core gave
	why     failover.Why     // as it gave them
	changes bool             // by the newest decision the server does something, or waits for others
	decided time.Time        // when that, or the orders, changed last

	// The rest belongs to the goroutine.
	notes   host.Notes
	hasData bool // notes.Data is what the data directory has
	fresh   uint64
	renewed bool // the nonce is alone in the Raft store, or stays
	mem     host.Memory
	said    *failover.Server // what the core was told last
	sealing *failover.Seal   // the sources of WAL are being ended for it
	taken   []takenOrder
	floor   floorKept
	enables enablingSaid
	failing map[string]string // what does not work, and why
	again   *time.Timer       // for a look before the next heartbeat interval
}

// takenOrder is an order that is not taken again before a time.
type takenOrder struct {
	order failover.Order
	until time.Time
}

const (
	// orderAgain is for how long an order that was carried out is not taken again, and
	// orderFailed for how long one that could not be.
	orderAgain  = 100 * time.Millisecond
	orderFailed = time.Second
	// lookSoon is how long after a step that takes a little while the server is looked at, and
	// lookLimit for how long it is looked at so often: most that takes longer takes much longer.
	lookSoon  = 5 * time.Millisecond
	lookLimit = 2 * time.Second
)

// joinsFailover gives the configuration of a core that is to start its part in failover, if the
// node has one: the boot number in the note is raised, durably, before.
func (n *Node) joinsFailover(cfg *core.Config) (s host.Store, err error) {
	if n.cfg.failsOver() {
		s, err = n.raiseBoot()
		cfg.Failover = core.FailoverConfig{Boot: s.Boot, SealMillis: uint64(cmp.Or(n.cfg.SealTimeout, sealTimeout).Milliseconds())}
	}
	return s, err
}

// newServerHost is for a runner that starts with the store's note s; nil if the node takes no
// part in failover. The caller holds mu. On a witness only the port watch has anything to do.
func (n *Node) newServerHost(r *runner, s host.Store) *serverHost {
	if !n.cfg.failsOver() {
		return nil
	}
	h := &serverHost{n: n, r: r, server: n.cfg.Server, boot: s.Boot, before: n.host, quit: r.quit, ended: make(chan struct{}), wake: make(chan struct{}, 1),
		notes: host.Notes{Store: s}, fresh: newNonce(), failing: map[string]string{}, again: time.NewTimer(0)}
	h.port = newPortWatch(r.quit, func(p failover.Port) { r.put(core.FailoverPort{Port: p}) })
	return h
}

// start is for a runner that has started. The caller holds the node's mu.
func (h *serverHost) start() {
	if h != nil {
		h.n.host = h
		h.n.cfg.Go(h.loop)
		h.n.cfg.Go(h.port.loop)
	}
}

// take has the orders of a decision carried out, in place of those of before. It does not wait.
func (h *serverHost) take(out core.FailoverOutput) {
	var l []failover.Order
	for _, o := range out.Orders {
		if w, ok := o.(failover.Watch); ok {
			h.port.watch(w)
		} else {
			l = append(l, o)
		}
	}
	s := &out.Shared
	changes := len(l) > 0 || s.Primary && !s.Open || s.Switchover != 0
	h.mu.Lock()
	same := h.changes == changes && reflect.DeepEqual(h.orders, l)
	h.orders, h.why, h.changes = l, out.Why, changes
	if !same {
		h.decided = time.Now()
	}
	h.mu.Unlock()
	if !same {
		poke(h.wake)
	}
}

func (h *serverHost) newest() []failover.Order {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.orders
}

// looksSoon has the server looked at soon while the core waits for what it does, or for what its
// standbys flush: nothing else says when that is done.
func (h *serverHost) looksSoon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changes && time.Since(h.decided) < lookLimit {
		h.again.Reset(lookSoon)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// loop looks at the server each heartbeat interval, and whenever there is reason to.
func (h *serverHost) loop() {
	defer close(h.ended)
	if h.before != nil {
		<-h.before.ended
		h.before = nil
	}
	if h.server == nil {
		return
	}
	t := time.NewTicker(time.Duration(h.r.heartbeatMillis) * time.Millisecond)
	defer t.Stop()
	defer h.again.Stop()
	for !h.over() {
		select {
		case <-h.quit:
			return
		case <-h.wake:
		case <-h.again.C:
		case <-t.C:
		}
		h.turn()
		h.looksSoon()
	}
}

// over says that the runner has stopped.
func (h *serverHost) over() bool {
	select {
	case <-h.quit:
		return true
	default:
		return false
	}
}

// turn looks at the server, tells the core, and carries out what that has ordered.
func (h *serverHost) turn() {
	if !h.begun() || !h.report() {
		return
	}
	h.sayEnabling()
	orders := h.newest()
	if h.sealing != nil && !slices.Contains(orders, failover.Order(*h.sealing)) {
		h.sealing = nil
	}
	now := time.Now()
	h.taken = slices.DeleteFunc(h.taken, func(x takenOrder) bool { return now.After(x.until) })
	for _, o := range orders {
		if h.over() {
			return
		}
		if !slices.ContainsFunc(h.taken, func(x takenOrder) bool { return reflect.DeepEqual(x.order, o) }) {
			h.obey(o)
		}
	}
}

// begun is what comes before anything is reported: the data directory's note is read, and the
// nonce renewed, write by write.
func (h *serverHost) begun() bool {
	if !h.hasData {
		d, err := h.server.Data()
		if !h.works("reading the note in its data directory", err) {
			return false
		}
		h.notes.Data, h.hasData = d, true
	}
	for more := h.notes.Renews(); more && !h.renewed; {
		var a host.Act
		if a, more = host.Renewal(h.notes, h.fresh); !h.does("renewing the nonce of its data", a) {
			return false
		}
	}
	h.renewed = true
	return true
}

// looks is one look at the server, and what its shared memory keeps for the host.
func (h *serverHost) looks() (s host.Seen, ok bool) {
	shared := h.n.sharedNow()
	s, err := h.server.Look(shared.Prove)
	if !h.works("a look at it", err) {
		return s, false
	}
	if h.mem, err = h.server.Memory(); !h.works("reading what is kept in shared memory", err) {
		return s, false
	}
	s.Boot, s.Shared, s.Lease = h.boot, shared, h.n.leased()
	h.n.sawServer(h.notes, s.Recovery)
	return s, true
}

// report looks, and tells the core what has changed.
func (h *serverHost) report() bool {
	s, ok := h.looks()
	if !ok || s.Down || h.mem.Between(&h.notes, &s) {
		return ok
	}
	m := h.mem
	flush := m.Founds(&s)
	if !h.remembers(m) {
		return false
	}
	if flush {
		if !h.works("flushing WAL", h.server.Flush(m.FoundingEnd)) {
			return false
		}
		h.again.Reset(lookSoon)
	}
	if s.Recovery && s.Consistent && !h.does("noting that its data is whole", h.notes.Data.Consistent()...) {
		return false
	}
	r := host.Report(&h.notes, &h.mem, &s)
	if h.said == nil || !reflect.DeepEqual(*h.said, r) {
		h.said = &r
		h.r.put(core.FailoverServer{Server: r})
	}
	h.keepFloor(&s)
	return true
}

// obey carries an order out, if what it names still holds.
func (h *serverHost) obey(o failover.Order) {
	if x, ok := o.(failover.Seal); ok && h.sealing != nil && *h.sealing == x {
		h.seals()
		return
	}
	s, ok := h.looks()
	if !ok {
		return
	}
	acts := host.Obey(o, h.notes, &h.mem, &s)
	if len(acts) == 0 {
		return
	}
	h.n.cfg.Logger.Debug(fmt.Sprintf("node %d: its server is ordered to %s", h.n.cfg.NodeID, failover.OrderText(o)))
	wait := orderAgain
	if !h.does(fmt.Sprintf("the order to %s", failover.OrderText(o)), acts...) {
		wait = orderFailed
	}
	if h.sealing != nil {
		h.seals()
		return
	}
	h.taken = append(h.taken, takenOrder{o, time.Now().Add(wait)})
	h.report()
}

// seals goes on with a seal once no source of WAL is there.
func (h *serverHost) seals() {
	o := *h.sealing
	what := fmt.Sprintf("the order to %s", failover.OrderText(o))
	ended, err := h.server.SourcesEnded()
	switch {
	case !h.works(what, err):
		h.sealing = nil // it begins anew
		h.taken = append(h.taken, takenOrder{o, time.Now().Add(orderFailed)})
		return
	case !ended:
		h.again.Reset(lookSoon)
		return
	}
	s, ok := h.looks()
	if !ok {
		return
	}
	h.sealing = nil
	acts, _ := host.Sealed(o, h.notes, &h.mem, &s)
	wait := orderAgain
	if !h.does(what, acts...) {
		wait = orderFailed
	}
	h.taken = append(h.taken, takenOrder{o, time.Now().Add(wait)})
	h.report()
}
