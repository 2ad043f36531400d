package core_test

import (
	"testing"

	"github.com/pgraft/pgraft/core"
)

// Which progress of a database a log continues, over several recoveries.
func TestCheckProgress(t *testing.T) {
	id := func(b byte) [16]byte { return [16]byte{b} }
	type clusters = []core.FormerCluster
	twice := clusters{{id(1), 10}, {id(2), 20}}
	for _, c := range []struct {
		name      string
		former    clusters
		of        byte
		index     uint64
		want      core.Progress
		recovered uint64
	}{
		{"its own", twice, 9, 1 << 40, core.ProgressOwn, 0},
		{"nobody's", twice, 8, 5, core.ProgressOther, 0},
		{"nothing was recovered", nil, 1, 5, core.ProgressOther, 0},
		{"the first, nothing applied", twice, 1, 0, core.ProgressRecovered, 0},
		{"the first, before its recovery", twice, 1, 9, core.ProgressRecovered, 0},
		{"the first, at its recovery", twice, 1, 10, core.ProgressAhead, 10},
		{"the first, behind both", twice, 1, 25, core.ProgressAhead, 10},
		{"the second, behind the first recovery", twice, 2, 19, core.ProgressRecovered, 0},
		{"the second, at its recovery", twice, 2, 20, core.ProgressAhead, 20},
		{"the second recovery was earlier in the log", clusters{{id(1), 20}, {id(2), 15}}, 1, 17, core.ProgressAhead, 15},
		{"the first one lies before it", clusters{{id(1), 10}, {id(2), 20}}, 2, 10, core.ProgressRecovered, 0},
		// The quorum came back between the two: entries 10 to 29 are the cluster's.
		{"a recovery that came to nothing, and one", clusters{{id(1), 10}, {id(1), 30}}, 1, 29, core.ProgressRecovered, 0},
		{"the same, at the second", clusters{{id(1), 10}, {id(1), 30}}, 1, 30, core.ProgressAhead, 30},
		{"a marker of an older build", clusters{{id(1), 0}}, 1, 1 << 40, core.ProgressRecovered, 0},
		{"an older build, then this one", clusters{{id(1), 0}, {id(2), 20}}, 1, 19, core.ProgressRecovered, 0},
		{"the same, at the recovery that is known", clusters{{id(1), 0}, {id(2), 20}}, 1, 20, core.ProgressAhead, 20},
	} {
		got, recovered := core.CheckProgress(id(9), c.former, id(c.of), c.index)
		if got != c.want || recovered != c.recovered {
			t.Errorf("%s: %d, recovered at %d; want %d, %d", c.name, got, recovered, c.want, c.recovered)
		}
	}
}
