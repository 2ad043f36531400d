package main

import (
	"context"
	"errors"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/node/web"
)

// serveHTTP answers where the settings say, until the engine ends. Whatever becomes of that, the
// node goes on.
func (e *engine) serveHTTP() {
	web.New(web.Host{
		Node: func() *node.Node {
			if e.broken.Load() {
				return nil
			}
			return e.openNode()
		},
		Trouble: func() error {
			if e.broken.Load() {
				return errors.New("the engine has failed")
			}
			return e.trouble()
		},
		Findings: func(ctx context.Context) []health.Finding { return e.findings(ctx) },
		Logger:   e.logger, Setting: "pgraft.http_listen", Go: e.spawn, Recovered: e.recovered,
	}).Keep(e.ended, e.listens)
}

// listen has HTTP answered there, and nowhere else. The main thread calls it, which waits for
// nobody: only the newest counts.
func (e *engine) listen(l web.Listen) {
	for {
		select {
		case e.listens <- l:
			return
		default:
		}
		select {
		case <-e.listens:
		default:
		}
	}
}
