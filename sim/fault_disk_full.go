package sim

import (
	"fmt"
	"time"
)

// faultDiskFull: the disk has room for Param bytes and then for nothing, until space
// comes back. A write that does not fit waits; the node is told.
var faultDiskFull = Kind{
	Name: "disk-full", Group: "disk", most: 4,
	Doc: "no space is left for a while",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(200*time.Millisecond, 5*time.Second)
		d.Param = int64(Pick(s, 0, s.Int(1, 4_000), 1<<20))
	},
	begin: func(w *World, s *strike) string {
		s.node.disk.fill(int(s.Param))
		return fmt.Sprintf("for %v, %d bytes are left", s.For, s.Param)
	},
	end: func(w *World, s *strike) { s.node.disk.free() },
}
