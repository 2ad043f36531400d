package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
	"github.com/pgraft/pgraft/tools/internal/printed"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

func TestNodeMistakes(t *testing.T) {
	for _, c := range []struct {
		args, words []string
	}{
		{nil, []string{`required flag(s) "address", "data-dir", "node-id" not set`, "pgraft node --help"}},
		{[]string{"--node-id", "0"}, []string{"node id 0 is not in 1..2147483647"}},
		{[]string{"--node-id", "three"}, []string{"invalid argument", "--node-id"}},
		{[]string{"--port", "70000"}, []string{"port 70000 is not in 1..65535"}},
		{[]string{"--address", "db3:7001"}, []string{`invalid address "db3:7001": It must not have a port.`, "such as db1.example.org"}},
		{[]string{"--address", "0.0.0.0"}, []string{`invalid address "0.0.0.0": It stands for every address`}},
		{[]string{"--listen-address", "*"}, []string{`invalid address to listen on "*": It is not a host name.`}},
		{[]string{"--log-level", "loud"}, []string{`--log-level "loud": want debug, info, warning or error`}},
		{[]string{"--log-format", "xml"}, []string{`--log-format "xml": want text or json`}},
		{[]string{"--trace", "some"}, []string{`--trace "some": want off, ring or full`}},
		{[]string{"--trace-size", "1"}, []string{"1048576 bytes for the ring, at least 33554432 are needed"}},
		{[]string{"--retain-size", "0"}, []string{"must be positive"}},
		{[]string{"--yield-to", "0"}, []string{"--yield-to 0"}},
		{[]string{"--lead", "--yield-to", "1"}, []string{"contradict each other"}},
		{[]string{"--ssl-key-file", "x"}, []string{"go together"}},
		{[]string{"--election-timeout", "100ms"}, []string{"at least 3 times the heartbeat interval (100ms)"}},
		{[]string{"--heartbeat-interval", "fast"}, []string{"invalid argument"}},
		{[]string{"extra"}, []string{"unknown command"}},
	} {
		args := []string{"node"}
		if c.args != nil {
			args = append(append(args, "--node-id", "3", "--address", "127.0.0.1", "--data-dir", filepath.Join(t.TempDir(), "x")), c.args...)
		}
		out, errOut, err := pgraft(t, args...)
		if err == nil || out != "" {
			t.Errorf("pgraft %q: error %v, printed %q", args, err, out)
		}
		wantAll(t, errOut, c.words...)
	}
}

var httpAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// It logs on standard error, answers `pgraft status`, reads its certificates anew
// on SIGHUP, and is stopped by what ends its context.
func TestNode(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.New("test CA", 60*day)
	if err != nil {
		t.Fatal(err)
	}
	renew := func(validFor time.Duration) certs.Files {
		f, err := ca.Node(dir, transport.NodeName(3), []string{"127.0.0.1"}, validFor)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := renew(20 * day)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, log printed.Text
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"node", "--node-id", "3", "--address", "127.0.0.1", "--port", "12999", "--data-dir", filepath.Join(dir, "data"),
			"--ssl-cert-file", f.Cert, "--ssl-key-file", f.Key, "--ssl-ca-file", f.CA, "--http", "127.0.0.1:0", "--log-format", "json"}, &out, &log)
	}()
	logged := func(words string, times int) {
		t.Helper()
		if err := wait.For(t.Context(), 20*time.Second, "the log to say "+words, func(context.Context) error {
			if strings.Count(log.String(), words) < times {
				return context.DeadlineExceeded
			}
			return nil
		}); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
	}
	logged("status and metrics at", 1)
	first, _, _ := strings.Cut(log.String(), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Errorf("its log is no JSON: %q: %v", first, err)
	}
	url := httpAddress.FindString(log.String())
	text, _, err := pgraft(t, "status", url)
	if err != nil {
		t.Errorf("pgraft status of a node that waits: %v", err)
	}
	wantAll(t, text, url+"  3     running  no", "\nwarning\n", "\n  node 3: certificate is ")
	text, _, err = pgraft(t, "status", "--json", url)
	var report struct {
		Status string
		Nodes  []struct {
			Version string `json:"version"`
		}
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Nodes) != 1 || report.Nodes[0].Version != version {
		t.Errorf("pgraft status --json: %v\n%s", err, text)
	}
	if err != nil {
		t.Error(err)
	}
	renew(40 * day)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	logged("TLS with the certificate of", 2)
	stop()
	if err := <-ended; err != nil || out.String() != "" {
		t.Errorf("stopped, it ends with %v and has printed %q", err, &out)
	}
	logged("node 3 stops", 1)
}

func TestStatusAndBenchMistakes(t *testing.T) {
	for _, c := range []struct {
		args, words []string
	}{
		{[]string{"status", "--timeout", "0s"}, []string{"--timeout 0s: must be positive"}},
		{[]string{"status", "--jsn"}, []string{"unknown flag: --jsn", "pgraft status --help"}},
		{[]string{"bench", "--clients", "0"}, []string{"--clients 0: want 1 to 1000"}},
		{[]string{"bench", "host=127.0.0.1 port=1"}, []string{"failed to connect", "127.0.0.1"}},
	} {
		out, errOut, err := pgraft(t, c.args...)
		if err == nil || out != "" {
			t.Errorf("pgraft %q: error %v, printed %q", c.args, err, out)
		}
		wantAll(t, errOut, c.words...)
	}
	out, errOut, err := pgraft(t, "status", "host=127.0.0.1 port=1 password=secret")
	if err == nil || strings.Contains(out+errOut, "secret") {
		t.Errorf("of no server: error %v, printed %q, %q", err, out, errOut)
	}
	wantAll(t, out, "no answer", "\ncritical\n  127.0.0.1:1: ")
	wantAll(t, errOut, "the cluster is not well")
}
