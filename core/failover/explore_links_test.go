package failover

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Any node of five loses any of its links to the others for good: Raft's messages do not
// get through there, WAL does. The other four are enough, so in the end somebody serves;
// once the links are back all follow.
func TestLinksOfOneAreCut(t *testing.T) {
	for _, data := range []int{3, 4, 5} {
		for id := uint64(1); id <= 5; id++ {
			for links := range 1 << 5 {
				if links>>(id-1)&1 == 1 {
					continue // it hears itself
				}
				s := &story{t: t, d: &datadriven.TestData{Cmd: "cluster", CmdArgs: []datadriven.CmdArg{
					{Key: "data", Vals: []string{fmt.Sprint(data)}}, {Key: "witness", Vals: []string{fmt.Sprint(5 - data)}}}}}
				s.cluster()
				x := s.x
				for o := uint64(1); o <= 5; o++ {
					if links>>(o-1)&1 == 1 {
						x.apart[[2]uint64{id, o}], x.apart[[2]uint64{o, id}] = true, true
					}
				}
				serves := 0
				for n := range 100 {
					s.must(x.round())
					for _, h := range x.hosts {
						if n >= 60 && h.shared.Open && x.leader == h && x.hasQuorum(h) {
							serves++
						}
					}
				}
				if serves < 35 || x.needless != "" {
					t.Errorf("%d servers, links of %d cut to %05b: somebody serves in %d of 40 rounds, %s", data, id, links, serves, x.needless)
				}
				clear(x.apart)
				for n := 0; !x.settled(); n++ {
					if s.must(x.round()); n == 60 {
						t.Fatalf("%d servers, links of %d were cut to %05b: it does not settle", data, id, links)
					}
				}
			}
		}
	}
}
