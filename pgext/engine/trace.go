package main

// #include "engine.h"
import "C"

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

var traceModes = map[C.uint32_t]recorder.Mode{
	C.PGRAFT_TRACE_OFF: recorder.Off, C.PGRAFT_TRACE_RING: recorder.Ring, C.PGRAFT_TRACE_FULL: recorder.Full,
}

func traceSettings(c *C.PgraftConfig) recorder.Settings {
	return recorder.Settings{Mode: traceModes[c.trace], MaxBytes: int64(c.trace_bytes), Redact: c.trace_redact != 0}
}

func saveTrace(n *node.Node, q request) (result, error) {
	switch size, err := n.SaveTrace(string(q.data)); {
	case errors.Is(err, fs.ErrExist):
		return result{}, &sqlError{state: "58P02", message: fmt.Sprintf("\"%s\" exists already", q.data), // duplicate_file
			hint: "Name a directory that is to be made."}
	case errors.Is(err, recorder.ErrEmpty):
		return result{}, &sqlError{state: "55000", message: "nothing was recorded yet",
			hint: "Set \"pgraft.trace\" to \"ring\"; a node that belongs to no cluster yet has nothing to record."}
	case err != nil:
		return result{}, &sqlError{state: "58030", message: err.Error()} // io_error
	default:
		return row(size), nil
	}
}
