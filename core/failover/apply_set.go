package failover

// change puts another sync set in force. One with the next version that is void for what
// it names uses that version up: a late copy of it finds another one in force.
func (s *State) change(e Change, at Place) Void {
	if v := s.ofPrimary(e.Epoch, e.Member, s.Epoch.Stage >= StageForked); v != NotVoid {
		return v
	}
	switch {
	case e.Boot != s.Epoch.Boot:
		return VoidOldBoot
	case e.Version != s.Epoch.SetVersion+1:
		return VoidSetVersion
	}
	s.Epoch.SetVersion++
	// Where fewer than sync_count are there, as the operator has raised it, a member can
	// still be exchanged.
	settings := s.Settings
	settings.SyncCount = min(settings.SyncCount, s.Epoch.Set.W)
	if v := s.checkSet(e.Set, e.Member, settings, at); v != NotVoid {
		return v
	}
	s.Epoch.Set = e.Set.clone()
	if s.Epoch.Stage == StageOpen {
		s.Last.Set = e.Set.clone()
	}
	s.unlogged(at.Index)
	return NotVoid
}
