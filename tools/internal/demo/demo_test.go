package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

func TestCompare(t *testing.T) {
	written := map[string]bool{"a": true, "b": true}
	good := []sqlapi.Entry{{Index: 3, Data: "a"}, {Index: 5, Data: "b"}}
	for _, c := range []struct {
		name string
		log  []sqlapi.Entry
		want string // part of the error; empty: none
	}{
		{"equal", good, ""},
		{"missing", good[:1], "1 entries, but 2 were acknowledged"},
		{"twice", append(good[:2:2], sqlapi.Entry{Index: 6, Data: "a"}), "stands at a lower index too"},
		{"never written", append(good[:2:2], sqlapi.Entry{Index: 6, Data: "x"}), "nobody wrote"},
		{"elsewhere", []sqlapi.Entry{{Index: 3, Data: "a"}, {Index: 6, Data: "b"}}, "same indexes"},
		{"other order", []sqlapi.Entry{{Index: 3, Data: "b"}, {Index: 5, Data: "a"}}, "same indexes"},
	} {
		err := compare(c.log, good, written)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// Without a terminal there are whole lines only: no colour, no moving parts.
func TestScreenWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	err := s.all(
		step{"first", func(p *progress) (string, error) {
			p.total(2)
			p.add()
			p.add()
			s.after("a table")
			return "all of it", nil
		}},
		step{"second", func(*progress) (string, error) { return "", errors.New("it broke") }},
		step{"third", func(*progress) (string, error) { t.Error("went on after a failure"); return "", nil }},
	)
	if err == nil || err.Error() != "second: it broke" {
		t.Errorf("error %v", err)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[0], "✓ first: all of it  0.") || !strings.Contains(out.String(), "\na table\n") ||
		!strings.Contains(out.String(), "✗ second  0.") || strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("printed %q", out.String())
	}
	if len(s.steps) != 1 || s.steps[0].Detail != "all of it" {
		t.Errorf("steps %+v", s.steps)
	}
}

func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{"/tmp/pgraft-123": "/tmp/pgraft-123", "/tmp/a b": "'/tmp/a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := shellWord(text); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestTLSTable(t *testing.T) {
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	got := tlsTable([]PeerTLS{{1, 2, "TLS 1.3", "TLS_X", "CN=b", at}, {1, 3, "TLS 1.3", "TLS_X", "CN=c", at}, {2, 1, "TLS 1.3", "TLS_X", "CN=a", at}})
	want := "  asked   peer  tls_version  tls_cipher  certificate_subject  certificate_expiry\n" +
		"  node 1  2     TLS 1.3      TLS_X       CN=b                 2027-01-02 03:04:05+00\n" +
		"          3     TLS 1.3      TLS_X       CN=c                 2027-01-02 03:04:05+00\n" +
		"  node 2  1     TLS 1.3      TLS_X       CN=a                 2027-01-02 03:04:05+00\n"
	if got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

func TestStatusTable(t *testing.T) {
	heard := "0.042s"
	got := statusTable([]NodeStatus{{NodeID: 1, Rows: []sqlapi.Status{
		{NodeID: 1, Address: "127.0.0.1", Port: 7001, State: "Leader", Term: 2, CommitIndex: 10, LastLogIndex: 11},
		{NodeID: 2, Address: "127.0.0.1", Port: 7002, State: "Follower", Term: 2, CommitIndex: 9, LastLogIndex: 9, LastHeartbeat: &heard},
	}}})
	want := "  asked   node  address         state     term  commit  last  heard\n" +
		"  node 1  1     127.0.0.1:7001  Leader    2     10      11    -\n" +
		"          2     127.0.0.1:7002  Follower  2     9       9     0.042s\n"
	if got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}
