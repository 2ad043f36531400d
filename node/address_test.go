package node_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/node"
)

// The rule stands in C too, where tools/integration reads the same file.
func TestAddressFault(t *testing.T) {
	b, err := os.ReadFile("../testdata/address/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		who, rest, _ := strings.Cut(line, "\t")
		quoted, fault, _ := strings.Cut(rest, "\t")
		host, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		dial, listen := fault, fault
		switch who {
		case "both":
			dial, listen = "", ""
		case "listen":
			listen = ""
		case "neither":
		default:
			t.Fatalf("%s: who is %q?", line, who)
		}
		rows++
		if got := node.AddressFault(host, false); got != dial {
			t.Errorf("AddressFault(%q, false) = %q, want %q", host, got, dial)
		}
		if got := node.AddressFault(host, true); got != listen {
			t.Errorf("AddressFault(%q, true) = %q, want %q", host, got, listen)
		}
	}
	if rows < 40 {
		t.Errorf("the file has %d rows", rows)
	}
	for n, want := range map[int]string{0: "It must not be empty.", 256: "It has 256 bytes; at most 255 are allowed."} {
		if got := node.AddressFault(strings.Repeat("a", n), true); got != want {
			t.Errorf("AddressFault of %d bytes = %q, want %q", n, got, want)
		}
	}
}
