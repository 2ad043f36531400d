package rejoin

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/core/failover/host"
)

// What package join needs, too.

// Ask has a server say what it is.
func Ask(ctx context.Context, conn *pgx.Conn) (host.Asked, error) { return ask(ctx, conn) }

// WriteDurably writes a file, as a whole or not at all.
func WriteDurably(path string, text []byte) error { return writeDurably(path, text) }

// RemoveDurably removes one.
func RemoveDurably(path string) error { return removeDurably(path) }
