package core_test

import (
	"slices"
)

// networkVerbs choose among the messages on their way. Each takes a pattern:
// [from=1] [to=2] [type=MsgApp] or [type=(MsgApp,MsgSnap)].
var networkVerbs = map[string]func(*script){
	// deliver pattern [n=1]: only the first n of these
	"deliver": func(s *script) {
		for i := range s.num("n", 1) {
			if !s.deliver(s.pattern().match) {
				if i == 0 {
					s.printf("nothing to deliver\n")
				}
				return
			}
		}
	},
	// drop pattern [n=all]
	"drop": func(s *script) { s.drop(s.pattern().match, s.num("n", len(s.wire))) },
	// duplicate pattern [n=all]: each once more, behind all others
	"duplicate": func(s *script) {
		n := s.num("n", len(s.wire))
		for _, m := range slices.Clone(s.wire) {
			if n > 0 && s.pattern().match(m) {
				m.send.Snapshot = false // its outcome is owed once
				s.wire, n = append(s.wire, m), n-1
			}
		}
	},
	// reorder pattern: the first of these goes behind all others
	"reorder": func(s *script) {
		if i := slices.IndexFunc(s.wire, s.pattern().match); i >= 0 {
			m := s.wire[i]
			s.wire = append(slices.Delete(s.wire, i, i+1), m)
		}
	},
	// hold pattern: these stay on their way until release (deliver takes them)
	"hold":    func(s *script) { s.held = append(s.held, s.pattern()) },
	"release": func(s *script) { s.held = nil },
	"wire": func(s *script) {
		for _, m := range s.wire {
			s.printf("%v\n", m)
		}
	},
	// partition from=1 to=2 [oneway] [silent]: messages fail, silent: unnoticed
	"partition": func(s *script) { s.partition(uint32(s.num("from", 0)), uint32(s.num("to", 0))) },
	// isolate node=1 [silent]
	"isolate": func(s *script) {
		for _, n := range s.all() {
			s.partition(s.node().key, n.key)
		}
	},
	// heal [from=1 to=2]
	"heal": func(s *script) {
		p := s.pattern()
		for l := range s.cut {
			if (p.from == 0 || l.from == p.from) && (p.to == 0 || l.to == p.to) || l.from == p.to && l.to == p.from {
				delete(s.cut, l)
			}
		}
	},
}

func (s *script) partition(from, to uint32) {
	kind := refusing
	if s.has("silent") {
		kind = silent
	}
	s.cut[link{from, to}] = kind
	if !s.has("oneway") {
		s.cut[link{to, from}] = kind
	}
}
