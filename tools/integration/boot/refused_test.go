//go:build integration

package boot

// A setting with which recovery would stop is refused, before anything is changed.
func lowered(s *server) {
	s.joins(notes())
	s.isStandby(s.starts(), "1")
	s.stop()
	s.remove("standby.signal")
	s.set("max_connections", "90")
	s.refuses("FATAL:  pgraft: max_connections is 90, and the server's WAL needs 100 at least", "HINT:  Set max_connections to 100 or more.")
	if s.has("standby.signal") {
		s.t.Error("standby.signal is there")
	}
	s.set("max_connections", "100")
	s.set("log_min_messages", "fatal")
	s.refuses("FATAL:  pgraft: log_min_messages hides errors", "HINT:  Set log_min_messages to error or to a lower level.")
	s.set("log_min_messages", "warning")
	s.isStandby(s.starts(), "1")
}
