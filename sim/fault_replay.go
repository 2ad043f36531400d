package sim

import (
	"fmt"
	"time"
)

// faultReplay: a message of long ago arrives once more, on whatever connection
// there is now. Param is how many in a million.
var faultReplay = Kind{
	Name: "replay", Group: "network", most: 6,
	Doc: "messages of long ago arrive once more",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(500*time.Millisecond, Pick(s, 15*time.Second, 40*time.Second))
		d.Param = int64(Pick(s, 10_000, 50_000, 200_000))
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.replay.perMillion += int(s.Param) })
		return fmt.Sprintf("%d of a million messages, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.replay.perMillion -= int(s.Param) })
	},
}
