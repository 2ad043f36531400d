package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/node/transport"
)

// open answers for a host without a node, as while one is being opened.
func open(t *testing.T, l Listen, change func(*Host)) (*Server, *recovers) {
	t.Helper()
	r := &recovers{}
	h := Host{Node: func() *node.Node { return nil }, Trouble: func() error { return nil },
		Findings: func(context.Context) []health.Finding {
			return []health.Finding{{Metric: "term", Status: health.Unknown}}
		},
		Logger: slog.New(slog.DiscardHandler), Setting: "--http", Go: func(f func()) { go f() }, Recovered: r.recovered}
	if change != nil {
		change(&h)
	}
	s := New(h)
	if err := s.Open(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, r
}

// recovers counts the panics that it has recovered from.
type recovers struct{ n int }

func (r *recovers) recovered() {
	if recover() != nil {
		r.n++
	}
}

func ask(t *testing.T, method, url string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// Who opens connections to the HTTP port and is silent, or stops in the middle of a
// request, keeps nobody from asking, and holds no more than so many of them.
func TestSilentGuests(t *testing.T) {
	s, _ := open(t, Listen{Address: "127.0.0.1:0"}, nil)
	for _, says := range []string{"", "GET /health HT"} {
		const count = 5 * maxGuests
		ended := make(chan struct{}, count)
		for range count {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if _, err := io.WriteString(c, says); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.Copy(io.Discard, c) // until it is closed, by whomever
				ended <- struct{}{}
			}()
		}
		limit := time.After(requestLimit / 2) // far sooner than each by itself
		for range count - maxGuests {
			select {
			case <-ended:
			case <-limit:
				t.Fatalf("after %q: more than %d connections are open", says, maxGuests)
			}
		}
		if code, body := ask(t, "GET", "http://"+s.Addr().String()+"/liveness"); code != http.StatusOK {
			t.Errorf("after %q: /liveness answers %d\n%s", says, code, body)
		}
	}
}

// An address in use is no reason to stop: it is said, and tried again. Where a wish comes, that
// counts; and the port is free once there is none.
func TestKeep(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	lines := make(chan string, 10)
	s := New(Host{Node: func() *node.Node { return nil }, Trouble: func() error { return nil }, Logger: slog.New(slog.NewTextHandler(sink(lines), nil)),
		Setting: "pgraft.http_listen", Go: func(f func()) { go f() }, Recovered: func() {}})
	ctx, cancel := context.WithCancel(t.Context())
	wanted, ended := make(chan Listen), make(chan struct{})
	go func() { defer close(ended); s.Keep(ctx, wanted) }()
	says := func(words ...string) (line string) {
		t.Helper()
		select {
		case line = <-lines:
		case <-time.After(requestLimit):
			t.Fatalf("nothing is logged, want %q", words)
		}
		for _, w := range words {
			if !strings.Contains(line, w) {
				t.Errorf("no %q in: %s", w, line)
			}
		}
		return line
	}
	address := taken.Addr().String()
	wanted <- Listen{Address: address}
	says("level=WARN", "pgraft.http_listen "+address, "address already in use", "tried again every 5s")
	wanted <- Listen{Address: "127.0.0.1:0", TLS: &transport.TLSFiles{Cert: "/nowhere.crt", Key: "/nowhere.key"}}
	says("level=WARN", "pgraft.ssl_cert_file /nowhere.crt: no such file")
	wanted <- Listen{Address: "127.0.0.1:0"}
	_, at, _ := strings.Cut(strings.TrimSpace(says("level=INFO", "status and metrics at http://127.0.0.1:")), "http://")
	at = strings.TrimSuffix(at, `"`)
	if code, _ := ask(t, "OPTIONS", "http://"+at+"/primary"); code != http.StatusServiceUnavailable {
		t.Errorf("/primary of no node answers %d", code)
	}
	wanted <- Listen{}
	wanted <- Listen{} // taken once the first one was carried out
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatalf("the port is not free again: %v", err)
	}
	l.Close()
	cancel()
	<-ended
}

type sink chan string

func (s sink) Write(b []byte) (int, error) { s <- string(b); return len(b), nil }
