package sim

import (
	"fmt"
	"time"
)

// faultExportFails: a database's exports fail; with Param 1 they take long, with 2
// parts of them are lost on the way, with 3 the process dies once a part has left.
var faultExportFails = Kind{
	Name: "export-fails", Group: "process", most: 6, databases: true,
	Doc: "the export of a database fails, takes long, or is cut in the middle",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(4))
		d.For = s.Between(5*time.Second, 30*time.Second)
	},
	begin: func(w *World, s *strike) string {
		d := s.node.database
		if d == nil || !d.exports {
			return ""
		}
		switch s.Param {
		case 0:
			d.noExport++
		case 1:
			d.lateExport++
		default:
			w.stageBegins(s)
		}
		return fmt.Sprintf("for %v, %s", s.For, [...]string{"they fail", "they take long", "parts are lost", "it dies once a part has left"}[s.Param&3])
	},
	stage: func(*World, *strike) {},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if n != s.node || p.info.body != bodyState || s.draws.Below(2) == 0 {
			return false
		}
		w.marks.add(markStateCut)
		if s.Param == 3 {
			w.soon(func() { w.again(n, surviveAll, 100*time.Millisecond) })
		}
		return s.Param == 2
	},
	end: func(w *World, s *strike) {
		switch d := s.node.database; s.Param {
		case 0:
			d.noExport--
		case 1:
			d.lateExport--
		default:
			w.stageEnds(s)
		}
	},
}
