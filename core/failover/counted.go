package failover

// Whom a primary counts. A standby's walsender reports its own flush position even
// when its WAL has diverged, so a follower is announced first, by what it says of its
// WAL before it has streamed in this boot.

// Announced is what a primary thinks of a claim.
type Announced uint8

const (
	MayFollow Announced = iota
	OtherEpoch
	OtherHistory // (a): it is not the log's, or its last timeline was not noted before
	TooFar       // (b): it ends past where the log's history leaves it, or past the primary's flush
	OtherRecord  // (c): the primary has another record there
)

// Judge says whether a follower's WAL is a part of the newest epoch's, whose primary
// has flushed up to flushed. have and equal are of the comparison of its last record
// with the primary's: (a) and (b) prove that it is a part, as a timeline's number is
// written by one grantee only; (c) finds handiwork, where the primary has that WAL. Where the
// timeline is from before failover was enabled on it, nothing was noted as its WAL came: then
// (c) alone proves it, of all WAL from a checkpoint on.
func (s *State) Judge(c *Claim, flushed uint64, have, equal bool) Announced {
	h := s.History(s.Epoch.Timeline)
	switch {
	case c.Epoch != s.Epoch.Number || s.Epoch.Stage < StageForked:
		return OtherEpoch
	case Relate(c.History, 0, h) != Prefix:
		return OtherHistory
	}
	last := c.History[len(c.History)-1].Timeline
	if limit, _ := Ends(h, last); c.End > limit || c.End > flushed {
		return TooFar
	}
	if f := s.fork(last); f == nil || !f.noted(c.Noted) && c.Record.From == 0 {
		return OtherHistory
	}
	if have && !equal {
		return OtherRecord
	}
	return MayFollow
}

// noted says that WAL which is noted for an epoch is that epoch's own fork.
func (f *Fork) noted(epoch uint64) bool { return f.Epoch > 0 && f.Epoch == epoch }

// place is the position of a server's WAL, and the forks in it behind the last open
// epoch's; ok is false if its last timeline was not noted before its WAL came, and it did not
// join with that either. What it joined with, and what came while failover was off, is its
// owner's as far as anybody knows: it counts for no epoch until a primary has compared it,
// and the server follows and notes that. The owner itself noted that it wrote it.
func (s *State) place(v *Server) (p Position, forks []Branch, ok bool) {
	t := v.timeline()
	f := s.fork(t)
	p = Position{v.Noted, v.End}
	switch {
	case t == 0:
		return p, nil, false
	case f == nil: // the log has forgotten it
		if ok = v.Noted > 0 || v.JoinedOn == t; v.JoinedOn == t && v.Wrote { // failover was enabled on it, which it does not note
			p.Epoch = max(p.Epoch, s.epochOn(t))
		}
	default:
		noted := s.noted(v.Noted, f)
		if ok = v.JoinedOn == t || noted; ok && v.Wrote {
			p.Epoch = f.Epoch
		} else if !noted {
			p.Epoch = 0
		}
	}
	if last := s.forkOf(s.Last.Number); last != nil {
		for _, b := range v.History {
			if b.Timeline > last.Timeline {
				forks = append(forks, b)
			}
		}
	}
	return p, forks, ok
}
