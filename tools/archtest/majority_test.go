package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// half finds a count of voters that is halved.
var half = regexp.MustCompile(`/ ?2 ?\+ ?1\b|\b(ids|voters|members|Members|List|GetVoters\(\))\)? ?/ ?2\b`)

// A majority is computed in core/quorum.go alone. The simulator's checkers count by
// themselves, so that they see if it is wrong: in sim/check_config.go.
func TestOneMajority(t *testing.T) {
	places := map[string]bool{"core/quorum.go": true}
	for _, f := range sourceFiles(t) {
		if !strings.HasSuffix(f, ".go") || strings.HasSuffix(f, "_test.go") || strings.HasPrefix(f, "tools/mutants/") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if half.MatchString(line) && !strings.Contains(line, "rand.N(") && !places[f] {
				t.Errorf("%s counts a majority by itself, call core.Majority: %s", f, strings.TrimSpace(line))
			}
		}
	}
}

func TestOneMajorityFails(t *testing.T) {
	for line, want := range map[string]bool{
		"return n/2 + 1": true, "have > len(ids)/2 {": true, "room <= voters/2": true, "len(c.conf.GetVoters())/2": true, "q := len(m.List) / 2": true,
		"mid := low + (high-low)/2": false, "MaxTailBytes/2 {": false, "n/2+10": false, "half := c.requests.window / 2": false,
	} {
		if half.MatchString(line) != want {
			t.Errorf("%q: found %v, want %v", line, !want, want)
		}
	}
}
