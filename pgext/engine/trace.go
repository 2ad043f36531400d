package main

// #include "engine.h"
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

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
	size, err := n.SaveTrace(string(q.data))
	if err == nil {
		return row(size), nil
	}
	e := &sqlError{state: "58030", message: err.Error(), // io_error
		hint: "Name a directory that the server can make; nothing was left of this one."}
	switch {
	case errors.Is(err, recorder.ErrEmpty):
		e = &sqlError{state: "55000", message: "nothing was recorded yet",
			hint: "Set \"pgraft.trace\" to \"ring\"; a node that belongs to no cluster yet has nothing to record."}
	case errors.Is(err, fs.ErrExist):
		e.state, e.message = "58P02", fmt.Sprintf("\"%s\" exists already", q.data) // duplicate_file
		e.hint = "Name a directory that is to be made."
	case errors.Is(err, fs.ErrPermission):
		e.state = "42501" // insufficient_privilege
		e.hint = "Name a directory in one that the server's operating system user may write to."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.state = "53100" // disk_full
		e.hint = "Free some space, or name a directory on another file system; nothing was left of this one."
	}
	return result{}, e
}
