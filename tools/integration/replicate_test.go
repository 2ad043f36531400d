//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// Eight sessions spread over all nodes write at once; every entry is in the log
// once, at the same index on every node.
func replicatesFromManySessions(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	const sessions, entries = 8, 200
	before := s.ledger.count()
	observer := observe(ctx, s.cluster.Servers)
	var group errgroup.Group
	for session := range sessions {
		server := s.cluster.Servers[session%len(s.cluster.Servers)]
		conn := connect(ctx, t, server)
		group.Go(func() error {
			for i := range entries {
				data := fmt.Sprintf("session %d #%d", session, i)
				err := sqlapi.Replicate(ctx, conn, data)
				s.ledger.record(data, err)
				if err != nil {
					return fmt.Errorf("node %d: %w", server.NodeID, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	observer.stop(t)
	if got := s.ledger.count() - before; got != sessions*entries {
		t.Errorf("%d entries acknowledged, want %d", got, sessions*entries)
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// What goes in comes out on every node: nothing at all, a megabyte, text of
// several scripts, and what SQL or a C string would trip over.
func keepsData(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	source := rand.New(rand.NewPCG(1, 2))
	megabyte := make([]byte, 1<<20)
	for i := range megabyte {
		megabyte[i] = byte('!' + source.IntN('~'-'!'))
	}
	for i, data := range []string{
		"",
		string(megabyte),
		"Größe, 大きさ, размер, μέγεθος, 🐘",
		strings.Repeat("é", 20_000),
		"quotes ' \" ''; DROP TABLE log; -- \\x00 \\ %s %n",
		"line\nline\r\n\ttab\x01\x7f",
		" ",
	} {
		server := s.cluster.Servers[i%len(s.cluster.Servers)]
		s.ledger.replicate(ctx, t, connect(ctx, t, server), data)
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// An entry is replicated when the function returns, whatever becomes of the
// transaction around it.
func doesNotUndo(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	for _, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		tx, err := conn.Begin(ctx)
		must(t, err)
		data := fmt.Sprintf("rolled back on node %d", server.NodeID)
		err = sqlapi.Replicate(ctx, tx, data)
		s.ledger.record(data, err)
		must(t, err)
		must(t, tx.Rollback(ctx))
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}
