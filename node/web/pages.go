package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
)

const (
	// lookLimit is how long the node may take to say how it is.
	lookLimit = 2 * time.Second
	// maxScrapes is how many may read metrics at once.
	maxScrapes = 4
)

// pages are what is answered. The paths, and what their codes mean, are those of Patroni's REST
// API, so that probes written for it ask the same here.
type pages struct {
	host    Host
	looking chan struct{} // 1 slot: the node is asked by one at a time
}

// checks are the pages that say by their code, 200 or 503, what a server is good for.
var checks = map[string]func(*seen) bool{
	"/{$}": (*seen).primary, "/primary": (*seen).primary, "/master": (*seen).primary, "/leader": (*seen).primary, "/read-write": (*seen).primary,
	"/replica": (*seen).replica, "/read-only": either((*seen).primary, (*seen).replica),
	"/sync": (*seen).sync, "/synchronous": (*seen).sync, "/read-only-sync": either((*seen).primary, (*seen).sync),
	"/async": (*seen).async, "/asynchronous": (*seen).async,
}

func either(a, b func(*seen) bool) func(*seen) bool {
	return func(s *seen) bool { return a(s) || b(s) }
}

func (p *pages) handler() http.Handler {
	p.looking = make(chan struct{}, 1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{p.host}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: requestLimit}))
	for path, check := range checks {
		mux.HandleFunc(path, probe(func(out http.ResponseWriter, r *http.Request) { p.check(out, r, check) }))
	}
	mux.HandleFunc("/health", probe(p.health))
	mux.HandleFunc("/liveness", probe(p.says(p.alive)))
	mux.HandleFunc("/readiness", probe(p.says(p.ready)))
	for path, page := range p.host.Pages {
		mux.HandleFunc("GET "+path, page)
	}
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		defer p.host.Recovered()
		whole := false
		defer func() {
			if !whole { // without a word, 200 would be the answer
				out.WriteHeader(http.StatusInternalServerError)
			}
		}()
		mux.ServeHTTP(out, r)
		whole = true
	})
}

// probe takes the methods of load balancers.
func probe(page http.HandlerFunc) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			out.Header().Set("Cache-Control", "no-store")
			page(out, r)
		default:
			out.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(out, "method not allowed", http.StatusMethodNotAllowed)
		}
	}
}

// put writes an answer. That nobody reads it is the reader's affair.
func (p *pages) put(out http.ResponseWriter, r *http.Request, ok bool, kind string, write func(io.Writer) error) {
	out.Header().Set("Content-Type", kind)
	if !ok {
		out.WriteHeader(http.StatusServiceUnavailable)
	}
	if r.Method != http.MethodGet {
		return
	}
	if err := write(out); err != nil {
		p.host.Logger.Debug(fmt.Sprintf("an answer on HTTP was not read: %v", err))
	}
}

// check answers what a server is good for. It is decided last, so that it is true as it is said.
func (p *pages) check(out http.ResponseWriter, r *http.Request, check func(*seen) bool) {
	limit, err := lagLimit(r.URL.Query())
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	s := p.look(r.Context())
	s.limit = limit
	ok := check(&s)
	p.put(out, r, ok, "application/json", func(w io.Writer) error { return json.NewEncoder(w).Encode(s.answer()) })
}

// answer is what a check says beside its code.
type answer struct {
	NodeID    uint32  `json:"node_id"`
	Role      string  `json:"role"`
	State     string  `json:"state"`
	MayCommit bool    `json:"may_commit"`
	MayRead   bool    `json:"may_read"`
	Epoch     uint64  `json:"epoch,omitempty"`
	Timeline  uint32  `json:"timeline,omitempty"`
	Position  string  `json:"position,omitempty"`
	Lag       *uint64 `json:"lag,omitempty"`
	InSyncSet bool    `json:"in_sync_set"`
	WhyNot    string  `json:"why_not,omitempty"`
}

func (s *seen) answer() (a answer) {
	if s.node != nil {
		a.NodeID, a.MayCommit, a.MayRead = s.node.ID(), s.node.MayCommit(), s.node.MayRead()
	}
	switch x := s.own; {
	case s.err != nil:
		a.Role, a.WhyNot = "unknown", s.err.Error()
	case x == nil && s.failover.Lead == s.failover.RaftID:
		a.Role = "leader"
	case x == nil:
		a.Role = "follower"
	default:
		a.Role, a.State, a.Epoch, a.Timeline, a.Lag, a.InSyncSet, a.WhyNot = x.Role, x.State, x.Epoch, x.Timeline, x.Lag, x.InSyncSet, x.WhyNot
		if x.Timeline > 0 {
			a.Position = failover.LSNText(x.Position)
		}
	}
	return a
}

// health says on a server that it shows its data, and on a witness that nothing is critical. A
// line for each finding follows.
func (p *pages) health(out http.ResponseWriter, r *http.Request) {
	ctx, done := context.WithTimeout(r.Context(), lookLimit)
	defer done()
	found := p.host.Findings(ctx)
	ok := p.shows()
	if p.host.Witness {
		ok = true
		for _, f := range found {
			ok = ok && f.Status != health.Critical
		}
	}
	p.put(out, r, ok, "text/plain; charset=utf-8", func(w io.Writer) error {
		for _, f := range found {
			if _, err := fmt.Fprintf(w, "%s %s: %s\n", f.Metric, f.Status, f.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// shows says that there is a server, and that it shows its data.
func (p *pages) shows() bool {
	n := p.host.Node()
	return n != nil && n.MayRead()
}

// says is a page of one line: what is wrong, or ok.
func (p *pages) says(what func(context.Context) error) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		err := what(r.Context())
		p.put(out, r, err == nil, "text/plain; charset=utf-8", func(w io.Writer) error {
			text := "ok"
			if err != nil {
				text = err.Error()
			}
			_, err := fmt.Fprintln(w, text)
			return err
		})
	}
}

// alive is nil while the node works, or waits for what is no fault of its own: a quorum, an
// invitation.
func (p *pages) alive(ctx context.Context) error {
	if err := p.host.Trouble(); err != nil {
		return err
	}
	n := p.host.Node()
	if n == nil {
		return nil // it starts
	}
	if state, _ := n.State(); state != node.Running {
		return nil
	}
	return p.look(ctx).err
}

// ready is nil where a server shows its data, or a witness hears a leader.
func (p *pages) ready(ctx context.Context) error {
	if !p.host.Witness {
		if !p.shows() {
			return errors.New("this server shows no data")
		}
		return nil
	}
	switch s := p.look(ctx); {
	case s.err != nil:
		return s.err
	case s.failover.Lead == 0:
		return errors.New("no leader is known")
	}
	return nil
}

// look asks the node.
func (p *pages) look(ctx context.Context) (s seen) {
	if s.node = p.host.Node(); s.node == nil {
		if s.err = p.host.Trouble(); s.err == nil {
			s.err = errors.New("the node starts")
		}
		return s
	}
	ctx, done := context.WithTimeout(ctx, lookLimit)
	defer done()
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		s.err = fmt.Errorf("the node has not answered within %v", lookLimit)
		return s
	}
	switch s.failover, s.err = s.node.Failover(ctx); {
	case errors.Is(s.err, context.DeadlineExceeded):
		s.err = fmt.Errorf("the node has not answered within %v", lookLimit)
	case s.err == nil && core.NodeID(s.failover.RaftID) == 0:
		s.err = node.ErrNotRunning // it waits to be added
	case s.err == nil:
		s.own = own(&s.failover)
	}
	return s
}
