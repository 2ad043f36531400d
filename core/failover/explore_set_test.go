package failover

import "fmt"

// What every acknowledged commit is good for: W of the set that is in force in the log,
// whoever has applied it yet, have flushed it. The next epoch is judged by that set.

// proof is the log's own state, and where each acknowledged commit is.
type proof struct {
	state   State
	applied int
	at      map[record]int // of the newest epoch's: LSN
	changes int
	voids   int
}

// prove applies what is new in the log, and looks at each set that comes into force.
func (x *world) prove() error {
	p := &x.proof
	for ; p.applied < len(x.log); p.applied++ {
		e := x.log[p.applied]
		if e == nil {
			continue
		}
		epoch := p.state.Epoch.Number
		got := p.state.Apply(e, Place{Index: uint64(p.applied + 1), Members: x.members(), Voters: x.voters})
		if p.state.Epoch.Number != epoch {
			clear(p.at)
		}
		if _, ok := e.(Change); !ok {
			continue
		}
		if got.Void != NotVoid {
			p.voids++
			continue
		}
		p.changes++
		for r, lsn := range p.at {
			if err := x.counts(r, lsn); err != nil {
				return err
			}
		}
	}
	return nil
}

// acknowledged notes a commit of an epoch.
func (x *world) acknowledged(r record, lsn int, epoch uint64) error {
	if err := x.prove(); err != nil || epoch != x.proof.state.Epoch.Number {
		return err
	}
	x.proof.at[r] = lsn
	return x.counts(r, lsn)
}

// counts: a commit is on W of the set in force. Where data went back, that is why not.
func (x *world) counts(r record, lsn int) error {
	c, n := x.proof.state.Epoch.Set, 0
	for _, id := range c.Members {
		h := x.host(id)
		if h.back || h.flushed > lsn && h.wal[lsn] == r {
			n++
		}
	}
	if n < int(c.W) {
		return fmt.Errorf("%v at %d is acknowledged in epoch %d, and flushed by %d of its set in force, %s", r, lsn, x.proof.state.Epoch.Number, n, SetText(c))
	}
	return nil
}
