package sim

import (
	"os"
	"strings"
	"testing"
)

// README.md describes each fault of databases and of servers, and each checker.
func TestManualHasFaultsAndCheckers(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(text)
	for _, k := range Kinds() {
		if (k.databases || k.servers) && !strings.Contains(manual, "\n| `"+k.Name+"` | ") {
			t.Errorf("README.md has no row of the fault %s", k.Name)
		}
	}
	for _, c := range Checks() {
		if !strings.Contains(manual, "`"+c+"`") {
			t.Errorf("README.md does not say what the checker %s states", c)
		}
	}
}
