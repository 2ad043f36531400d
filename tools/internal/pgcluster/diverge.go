package pgcluster

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// Diverge kills a primary once it has WAL on its disk that no standby has: its walsenders stand
// still meanwhile. It returns when the signal was sent.
func (s *Server) Diverge(ctx context.Context) (killed time.Time, err error) {
	if err := s.writeAlone(ctx); err != nil {
		return time.Time{}, fmt.Errorf("node %d: write what nobody else has: %w", s.NodeID, err)
	}
	// one that stands still may hold a lock that others wait for
	return s.kill(ctx, syscall.SIGKILL)
}

// writeAlone writes and flushes WAL that no walsender sends any more.
func (s *Server) writeAlone(ctx context.Context) error {
	conn, err := s.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_replication")
	if err != nil {
		return err
	}
	var senders []int
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			return err
		}
		senders = append(senders, pid)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, pid := range senders {
		if err := signal(pid, syscall.SIGSTOP); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		"SELECT pg_logical_emit_message(false, 'pgraft', repeat('x', 1000000))",
		"SELECT pg_switch_wal()", // flushes
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
