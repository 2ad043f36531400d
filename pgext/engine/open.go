package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
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
// another process still has, a disk without room, an address that this machine does not have yet, as
// at boot, and files of TLS that somebody has to put right, where the settings of
// the last reload count. What may not pass is shown as the worker's state and in
// the answer to every request.
func (e *engine) open() {
	defer close(e.opened)
	e.publishStatus(node.Status{State: node.Uninitialised})
	said, asOf := "", uint64(0) // logged once, and again after a reload
	for {
		e.mu.Lock()
		cfg, reloads := e.cfg.node, e.reloads
		e.mu.Unlock()
		cfg.Retention.RetainFrom = retainEverything
		cfg.Logger, cfg.Publish, cfg.Go, cfg.Export = e.logger, e.publishStatus, e.spawn, e.export
		n, err := node.Open(cfg)
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
			e.logger.Error(fmt.Sprintf("%v; trying again every %v", err, openRetry))
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

func mayPass(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, store.ErrLocked) || isFull(err) || errors.Is(err, transport.ErrTLSFiles) || isNoAddress(err)
}

// isFull says that err is about a disk, or a quota on it, that has no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// isNoAddress says that the address to listen on is not this machine's, or that
// nobody knows its name.
func isNoAddress(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.As(err, &dns)
}

// waitFor remembers why the node cannot be opened yet, if a person has to see to
// it: requests need not wait for that.
func (e *engine) waitFor(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cause = nil
	if errors.Is(err, transport.ErrTLSFiles) || isNoAddress(err) || isFull(err) {
		e.cause = err
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
		state, hint := "55000", "Put the file or the setting right and reload the configuration: the node then starts by itself."
		if isNoAddress(err) {
			hint = "Put pgraft.address or pgraft.listen_address right and restart the server. " +
				"If this machine has yet to get that address, the node then starts by itself."
		}
		if isFull(err) {
			state, hint = "53100", "Make room on the file system of pgraft.data_dir: the node then starts by itself."
		}
		return nil, &sqlError{state: state, message: "the pgraft node was not started: " + err.Error(), hint: hint}
	}
	ctx, done := context.WithTimeout(ctx, openWait)
	defer done()
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
		failed := &sqlError{state: "55000", message: "the pgraft node was not started: " + e.failed.Error(),
			hint: "Once the cause is removed, restart the server."}
		var refused *node.OpenError
		if errors.As(e.failed, &refused) {
			failed.message, failed.hint = "the pgraft node was not started: "+refused.Text, refused.Hint
		}
		return nil, failed
	}
	if e.node == nil {
		return nil, node.ErrNotRunning
	}
	return e.node, nil
}
