package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// statesPage says what each state of a server means, and each reason, with the way out.
const statesPage = "docs/operations-states.md"

// state are the words of column state in package node: its constants, and what stateOf returns.
var state = regexp.MustCompile(`(?m)^\tState\w+ += "([^"]+)"$|^\t\treturn "(\w+)"$|failover\.Stage\w+: "(\w+)"`)

func TestStatesAreDescribed(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(top, statesPage))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(b)), " ")
	describes := func(words string) {
		t.Helper()
		if !strings.Contains(page, words) {
			t.Errorf("%s does not have %s", statesPage, words)
		}
	}
	source, err := os.ReadFile(filepath.Join(top, "node/standing.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	begin, end := strings.Index(text, "func stateOf("), strings.Index(text, "func announced(")
	constants, _, _ := strings.Cut(text, "\nfunc ")
	n := 0
	for _, m := range state.FindAllStringSubmatch(constants+text[begin:end], -1) {
		n++
		describes("`" + m[1] + m[2] + m[3] + "`")
	}
	if n < 15 {
		t.Errorf("only %d states were found in node/standing.go", n)
	}
	for w := failover.Nothing + 1; w.String() != "unknown"; w++ {
		describes("*" + w.String())
	}
	for q := failover.QuarantinedByOperator; q.String() != "unknown"; q++ {
		describes("*" + q.String() + "*")
	}
	for _, l := range []failover.Lacking{failover.LackJoined, failover.LackPriority, failover.LackTrust, failover.LackVote} {
		describes("*" + l.String() + "*")
	}
}
