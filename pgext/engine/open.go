package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// openRetry is how often it is tried again to open the node.
const openRetry = time.Second

// open opens the node. What may pass is tried again: a port or a directory that
// another process still has, a disk without room, an address that this machine does
// not have yet, as at boot, a data directory out of reach, and files of TLS or a refused
// setting that somebody has to put right, where the settings of the last reload count.
// What may not pass is shown as the worker's state and in the answer to every request.
func (e *engine) open() {
	defer close(e.opened)
	e.publishStatus(node.Status{State: node.Uninitialised})
	said, asOf := "", uint64(0) // logged once, and again after a reload
	for {
		e.mu.Lock()
		cfg, reloads := e.cfg, e.reloads
		e.mu.Unlock()
		n, err := e.tryToOpen(cfg)
		if !mayPass(err) {
			if err != nil {
				e.logger.Error(fmt.Sprintf("the node was not started: %v", err))
				e.publishStatus(node.Status{State: node.Failed})
			}
			e.waitFor(nil)
			e.node, e.failed = n, err
			return
		}
		if err.Error() != said || reloads != asOf {
			if refused := cfg.refused; refused != nil {
				e.logger.Error(fmt.Sprintf("the node was not started: %v %s", refused, refused.hint()))
			} else {
				e.logger.Error(fmt.Sprintf("%v; trying again every %v", err, openRetry))
			}
			said, asOf = err.Error(), reloads
		}
		e.waitFor(err)
		e.publishStatus(node.Status{State: node.Failed})
		select {
		case <-time.After(openRetry):
		case <-e.ended.Done():
			return
		}
	}
}

func (e *engine) tryToOpen(cfg config) (*node.Node, error) {
	if cfg.refused != nil {
		return nil, cfg.refused
	}
	c := cfg.node
	c.Retention.RetainFrom = retainEverything
	c.Logger, c.Publish, c.Answered, c.Go, c.Export = e.logger, e.publishStatus, e.records.give, e.spawn, e.export
	if cfg.failover {
		c.Server = e.server
	}
	return node.Open(c)
}

func mayPass(err error) bool {
	return isRefused(err) || errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, store.ErrLocked) || isFull(err) ||
		errors.Is(err, transport.ErrTLSFiles) || isNoAddress(err) || node.MayPass(err)
}

// isFull says that err is about a disk, or a quota on it, that has no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// isNoAddress says that the address to listen on is not this machine's, or that
// nobody knows its name.
func isNoAddress(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.As(err, &dns)
}

func isRefused(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused)
}

// waitFor remembers why the node cannot be opened yet, if a person has to see to
// it: requests need not wait for that.
func (e *engine) waitFor(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cause = nil
	if isRefused(err) || errors.Is(err, transport.ErrTLSFiles) || isNoAddress(err) || isFull(err) || node.MayPass(err) {
		e.cause = err
		e.causeOnce.Do(func() { close(e.caused) })
	}
}

func (e *engine) waitsFor() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}

// openWait is how long a request waits for the node: a log store that was not
// closed is read first, and a port that another process has may stay taken.
const openWait = 10 * time.Second

// running waits until the node is open, for openWait at most.
func (e *engine) running(ctx context.Context) (*node.Node, error) {
	if err := e.waitsFor(); err != nil {
		return nil, notStarted(err)
	}
	ctx, done := context.WithTimeout(ctx, openWait)
	defer done()
	select {
	case <-e.opened:
	case <-e.caused: // it came before that was known
		if err := e.waitsFor(); err != nil {
			return nil, notStarted(err)
		}
	case <-ctx.Done():
	}
	return e.wait(ctx)
}

func (e *engine) wait(ctx context.Context) (*node.Node, error) {
	select {
	case <-e.opened:
	case <-ctx.Done():
		return nil, &sqlError{state: "57P03", message: "the pgraft engine is still starting",
			hint: "The server log says what it waits for."}
	}
	if e.failed != nil {
		return nil, notStarted(e.failed)
	}
	if e.node == nil {
		return nil, node.ErrNotRunning
	}
	return e.node, nil
}

// notStarted is the answer while, or because, the node cannot be opened.
func notStarted(err error) *sqlError {
	const message = "the pgraft node was not started: "
	failed := &sqlError{state: "55000", message: message + err.Error(), notStarted: true}
	var setting *refusedError
	var directory *node.OpenError
	switch {
	case errors.As(err, &setting):
		failed.message, failed.detail, failed.hint = message+setting.text, setting.detail, setting.hint()
	case errors.As(err, &directory):
		failed.message, failed.hint = message+directory.Text, directory.Hint
	case isFull(err):
		failed.state, failed.hint = "53100", "Make room on the file system of pgraft.data_dir: the node then starts by itself." // disk_full
	case isNoAddress(err):
		failed.hint = "Put pgraft.address or pgraft.listen_address right and restart the server. " +
			"If this machine has yet to get that address, the node then starts by itself."
	case errors.Is(err, transport.ErrTLSFiles):
		failed.hint = "Put the file or the setting right and reload the configuration: the node then starts by itself."
	case errors.Is(err, fs.ErrPermission):
		failed.hint = "Let the operating system user that runs this server read and write it: the node then starts by itself."
	case node.MayPass(err):
		failed.hint = "Once the cause is removed, the node starts by itself."
	default:
		failed.hint = "Once the cause is removed, restart the server."
	}
	return failed
}
