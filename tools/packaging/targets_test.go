package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every word of a `make a b NAME=c` in the pages is a target or a variable, and make help
// lists those of both makefiles.
func TestTargets(t *testing.T) {
	targets := map[string]bool{}
	for _, name := range []string{"Makefile", "campaigns.mk"} {
		text, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(text), -1) {
			if targets[m[1]] {
				t.Errorf("%s: there is another target %s", name, m[1])
			}
			targets[m[1]] = true
		}
	}
	pages, err := filepath.Glob(filepath.Join(top, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	inDocs, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("(?:`|(?m:^ {4}))make((?: [A-Z_]+=(?:'[^'\n]*'|[^ `\n]*)| [a-z-]+)+)")
	quoted := regexp.MustCompile(`'[^']*'`)
	found := 0
	for _, page := range append(pages, inDocs...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			for _, word := range strings.Fields(quoted.ReplaceAllString(m[1], "")) {
				if strings.Contains(word, "=") {
					continue
				}
				if found++; !targets[word] {
					t.Errorf("%s: `make%s`: there is no target %s", page, m[1], word)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d targets were found in the pages", found)
	}
	help := exec.Command("make", "help")
	help.Dir = top
	out, err := help.CombinedOutput()
	for _, line := range []string{"\ndemo ", "\nfuzz ", "\nsim-night ", "\nbench-recorder ", "\nPG_CONFIG ", "\nSIM_FOR "} {
		if err != nil || !strings.Contains("\n"+string(out), line) {
			t.Errorf("make help: %v, lists no%s:\n%s", err, line[1:], out)
		}
	}
}
