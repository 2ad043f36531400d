package failover

// What a server does whose data is in doubt: it may be less than what the server has
// acknowledged, so the server reports nothing. The cheapest way out is to stream what it
// lacks.

// mend streams from the primary where the server's WAL is a part of that one's and the
// primary has what follows, and else makes the data anew.
func (m *Machine) mend(a Around, out *Output) {
	v, e := &m.server, &a.State.Epoch
	switch {
	case v.OnlyClone || v.Streaming && v.Lacks:
		m.rejoin(a, out)
	case !v.Streaming:
		if m.follow(a, out); out.Why.Reason == NotAnnounced {
			out.Why.Reason = UntrustedData
		}
	case m.proved(a):
		out.Orders = append(out.Orders, Trust{e.Number, m.boot})
	default:
		out.Why = Why{Reason: UntrustedData, Members: []uint64{m.cfg.Self}}
	}
}

// proves looks for what the primary of an open epoch had flushed once it knew of this boot.
// All that rests on the data as it was before is older than that: the primary has flushed
// every commit that was acknowledged by then. What its host looked at before says less, however
// far its engine has applied the log since. That a read of the log which began after this boot
// shows the epoch open matters: a primary that was deposed before knows less.
func (m *Machine) proves(a Around) {
	r, e := &m.reign, &a.State.Epoch
	me := a.State.Member(m.cfg.Self)
	if me == nil || me.Boot != m.boot || r.proof > 0 || !a.Current || e.Stage != StageOpen {
		return
	}
	t := m.fresh(e.Primary, a)
	if t != nil && t.Boot == e.Boot && !t.Recovery && t.Timeline == e.Timeline && t.Boots >= me.Known {
		r.proof = t.Flushed
	}
}

// proved says that the server has all that, from that primary.
func (m *Machine) proved(a Around) bool {
	v := &m.server
	return m.reign.proof > 0 && v.Follows == m.token(a) && v.timeline() == a.State.Epoch.Timeline && v.End >= m.reign.proof
}
