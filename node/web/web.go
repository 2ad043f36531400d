// Package web answers on HTTP how a node is, and what its server may be used for: probes of
// load balancers, Prometheus. Make a Server with New, and Open it, or have Keep do that.
//
// Nothing on it is secret, and it asks for no password. Whoever connects and is silent, or asks
// too much, harms nobody: connections, their time, and what is asked of the node at once are
// bounded.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/node/transport"
)

// Bounds of a connection.
const (
	requestLimit   = 10 * time.Second // a request and its answer
	idleLimit      = time.Minute      // between two of them
	maxHeaderBytes = 8 << 10
)

// retryInterval is how often Keep tries again to listen.
const retryInterval = 5 * time.Second

// Host is whose node it is.
type Host struct {
	Node    func() *node.Node // nil: there is none, or not yet
	Trouble func() error      // why there is none, or why it does not work; nil: nothing is known
	// Findings are what is judged healthy now.
	Findings func(context.Context) []health.Finding
	Witness  bool // it has no PostgreSQL server
	Logger   *slog.Logger
	// Setting is what the address is set with.
	Setting string
	// Go starts a goroutine, and Recovered is deferred in those that others start: the host may
	// recover from a panic in either.
	Go        func(func())
	Recovered func()
	// Pages are answered beside those of this package, by their paths.
	Pages map[string]http.HandlerFunc
}

// Listen is where it is answered.
type Listen struct {
	Address string              // host:port; empty: nowhere
	TLS     *transport.TLSFiles // nil: none. The authorities' file is not needed
}

// Server answers. Its methods are for one goroutine.
type Server struct {
	host    Host
	handler http.Handler
	cert    atomic.Pointer[tls.Certificate]

	now   Listen // while up is not nil
	up    *http.Server
	addr  net.Addr
	ended chan struct{} // closed once up has ended
}

// New makes one that is closed.
func New(h Host) *Server { return &Server{host: h, handler: (&pages{host: h}).handler()} }

// Open answers at l from now on, and nowhere else; a certificate is read anew also where that is
// so already. After an error it answers where it did before if that is l, and else nowhere.
func (s *Server) Open(l Listen) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %s: %w", s.host.Setting, l.Address, err)
		}
	}()
	same := s.up != nil && s.now.Address == l.Address && (s.now.TLS == nil) == (l.TLS == nil)
	if !same {
		s.Close()
	}
	if l.Address == "" {
		return nil
	}
	if l.TLS != nil {
		cert, err := transport.LoadCertificate(*l.TLS)
		if err != nil {
			return err
		}
		s.cert.Store(cert)
	}
	if same {
		return nil
	}
	listener, err := net.Listen("tcp", l.Address)
	if err != nil {
		return err
	}
	s.now, s.addr, s.ended = l, listener.Addr(), make(chan struct{})
	s.up = s.newHTTP()
	scheme := "http"
	if l.TLS != nil {
		scheme = "https"
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil }})
	}
	s.host.Logger.Info(fmt.Sprintf("status and metrics at %s://%s", scheme, s.addr))
	up, ended := s.up, s.ended
	s.host.Go(func() {
		defer close(ended)
		if err := up.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.host.Logger.Warn(fmt.Sprintf("HTTP at %s has ended: %v", listener.Addr(), err))
		}
	})
	return nil
}

// newHTTP speaks HTTP/1 only: a connection has one request at a time, so that their number bounds
// both. What is wrong with clients is for who looks for it.
func (s *Server) newHTTP() *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return &http.Server{Handler: s.handler, Protocols: p, DisableGeneralOptionsHandler: true,
		ReadTimeout: requestLimit, WriteTimeout: requestLimit, IdleTimeout: idleLimit, MaxHeaderBytes: maxHeaderBytes,
		ConnState: (&guests{}).change, ErrorLog: slog.NewLogLogger(s.host.Logger.Handler(), slog.LevelDebug)}
}

// Addr is where it is answered; nil: nowhere.
func (s *Server) Addr() net.Addr {
	if s.up == nil {
		return nil
	}
	return s.addr
}

// Close has nothing answered any more.
func (s *Server) Close() {
	if s.up == nil {
		return
	}
	if err := s.up.Close(); err != nil {
		s.host.Logger.Debug(fmt.Sprintf("HTTP at %s: %v", s.addr, err))
	}
	<-s.ended
	s.up = nil
}

// Keep opens what comes over wanted, until ctx ends. What cannot be is logged, and tried again.
func (s *Server) Keep(ctx context.Context, wanted <-chan Listen) {
	defer s.Close()
	var want Listen
	var again <-chan time.Time
	said := ""
	for {
		var ended <-chan struct{}
		if s.up != nil {
			ended = s.ended
		}
		select {
		case <-ctx.Done():
			return
		case want = <-wanted:
			said = ""
		case <-ended: // it has said why
			s.up, again = nil, time.After(retryInterval)
			continue
		case <-again:
		}
		again = nil
		if err := s.Open(want); err != nil {
			if again = time.After(retryInterval); err.Error() != said {
				said = err.Error()
				s.host.Logger.Warn(fmt.Sprintf("no HTTP: %s; it is tried again every %v", said, retryInterval))
			}
		}
	}
}
