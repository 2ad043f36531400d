package core_test

import (
	"github.com/pgraft/pgraft/core"
)

// keeperVerbs are about what databases need of the log, and what members get of
// each other's logs and databases. All settle at the end, unless they say hold.
var keeperVerbs = map[string]func(*script){
	// needs node=1 [from=5] [importable]: its database does, from now on
	"needs": func(s *script) {
		s.node().step(core.Needs{From: uint64(s.num("from", 0)), Importable: s.has("importable")})
		s.settle()
	},
	// store node=1: what its log store holds
	"store": func(s *script) {
		n := s.node()
		s.printf("%d to %d, gaps %v\n", n.view.first(), n.view.Snapshot.Index+uint64(len(n.view.log)), n.view.gaps())
	},
	// trim node=1 before=5: retention drops what is before, if it may
	"trim": func(s *script) {
		s.node().trim(uint64(s.num("before", 0)))
		s.printf("its log begins at %d\n", s.node().view.first())
	},
	// fetch node=1 after=3 last=9: entries of other members
	"fetch": func(s *script) {
		s.node().step(core.FetchHistory{ID: s.id(), After: uint64(s.num("after", 0)), Last: uint64(s.num("last", 0))})
		s.settle()
	},
	// database node=1 [bytes=100]: its database has a state that can be exported
	"database": func(s *script) { s.node().keeper.export = string(make([]byte, s.num("bytes", 100))) },
	// fetch-state node=1: of another member's database
	"fetch-state": func(s *script) {
		s.node().step(core.FetchState{ID: s.id()})
		s.settle()
	},
}
