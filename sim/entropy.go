package sim

import "time"

// Stream is a small generator of its own (splitmix64, Steele et al. 2014). Every
// part of a run that draws has one with a name: what one part draws never
// shifts what another does.
type Stream struct{ state uint64 }

// For returns the stream of that name and those ids under a seed.
func For(seed uint64, name string, ids ...uint64) Stream {
	h := digest(seed)
	h.text(name)
	for _, id := range ids {
		h.word(id)
	}
	return Stream{uint64(h)}
}

// Uint64 returns the next 64 bits.
func (s *Stream) Uint64() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below returns a number in 0..n-1; n must be positive.
func (s *Stream) Below(n int) int { return int(s.Uint64() % uint64(n)) }

// Int returns a number in lo..hi.
func (s *Stream) Int(lo, hi int) int { return lo + s.Below(hi-lo+1) }

// Chance is true in perMillion of a million cases.
func (s *Stream) Chance(perMillion int) bool {
	return perMillion > 0 && s.Below(1_000_000) < perMillion
}

// Between returns a time in lo..hi, to the microsecond.
func (s *Stream) Between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(s.Uint64()%uint64((hi-lo)/time.Microsecond+1))*time.Microsecond
}

// Tail returns a time of at least base: mostly close to it, one in 16 up to 4
// times as long, one in 256 up to 64 times.
func (s *Stream) Tail(base time.Duration) time.Duration {
	r := s.Uint64()
	spread := base / 2
	switch {
	case r&0xff == 0:
		spread = base * 63
	case r&0x0f == 0:
		spread = base * 3
	}
	return base + time.Duration(float64(spread)*float64(r>>11)/(1<<53)).Truncate(time.Microsecond)
}

// Pick returns one of l.
func Pick[T any](s *Stream, l ...T) T { return l[s.Below(len(l))] }
