// Package pgcluster runs real PostgreSQL servers on the loopback interface, for
// the demo and for the integration tests. Start with New, then Cluster.Start;
// Cluster.Destroy, deferred right after New, stops every server by its pid and
// removes every file. A server that this process leaves behind by dying stops
// by itself, unless Config.Outlive is set.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// MinNodes and MaxNodes bound the size of a cluster.
const (
	MinNodes = 1
	MaxNodes = 9
)

// DefaultClusterID is the pgraft.cluster_id of servers that name no other.
const DefaultClusterID = "pgraft-demo"

// Config says what cluster to make. The zero value of each field but Install
// and Nodes is useful.
type Config struct {
	Install   Install
	Nodes     int               // MinNodes..MaxNodes
	Dir       string            // must not exist yet; empty: a temporary directory
	ClusterID string            // empty: DefaultClusterID
	Plain     bool              // servers without the extension
	Initdb    []string          // more options of initdb
	CopyOf    string            // a data directory, of no running server, to copy in place of initdb
	Outlive   bool              // servers go on when this process ends without Destroy
	Settings  map[string]string // for every server; Off leaves one out
	// Place is where a node's server runs; nil: all are on the loopback interface.
	Place func(node int) (Place, error)
}

// Place is an address other than the loopback interface's, which this process reaches.
type Place struct {
	Address string
	Enter   func(start func() error) error // programs that start starts can listen on Address
}

// Cluster is a set of servers in one base directory.
type Cluster struct {
	Dir     string
	Servers []*Server // Servers[i].NodeID == i+1, then those of AddServer

	config  Config
	account account
}

// New makes the servers' directories as initdb does, with one system identifier, or as copies of
// CopyOf, all at once. Nothing runs yet.
// On an error nothing is left behind.
func New(ctx context.Context, config Config) (_ *Cluster, err error) {
	if config.Nodes < MinNodes || config.Nodes > MaxNodes {
		return nil, fmt.Errorf("pgcluster: %d nodes, want %d to %d", config.Nodes, MinNodes, MaxNodes)
	}
	if !config.Plain {
		if err := config.Install.CheckExtension(); err != nil {
			return nil, err
		}
	}
	if config.ClusterID == "" {
		config.ClusterID = DefaultClusterID
	}
	c := &Cluster{config: config}
	if c.account, err = findAccount(); err != nil {
		return nil, err
	}
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	c.isMade()
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Destroy())
		}
	}()
	group, groupCtx := errgroup.WithContext(ctx)
	for id := 1; id <= config.Nodes; id++ {
		s, err := c.newServer(id, config.Settings)
		if err != nil {
			return nil, errors.Join(err, group.Wait())
		}
		group.Go(func() error { return s.makeDataDir(groupCtx) })
	}
	return c, group.Wait()
}

func (c *Cluster) makeDir() error {
	if c.config.Dir == "" {
		dir, err := os.MkdirTemp("", "pgraft-")
		if err != nil {
			return fmt.Errorf("pgcluster: %w", err)
		}
		c.Dir = dir
	} else {
		dir, err := filepath.Abs(c.config.Dir)
		if err != nil {
			return fmt.Errorf("pgcluster: %w", err)
		}
		if err := os.Mkdir(dir, 0o700); errors.Is(err, os.ErrExist) {
			return fmt.Errorf("the directory %s exists already: name one that is to be made, or remove it", dir)
		} else if err != nil {
			return fmt.Errorf("pgcluster: %w", err)
		}
		c.Dir = dir
	}
	if err := os.WriteFile(filepath.Join(c.Dir, markerFile), []byte(markerText), 0o644); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	return c.account.own(c.Dir)
}

// AddServer makes one more server, with settings on top of the cluster's. It
// does not run yet.
func (c *Cluster) AddServer(ctx context.Context, settings map[string]string) (*Server, error) {
	s, err := c.newServer(len(c.Servers)+1, merged(c.config.Settings, settings))
	if err != nil {
		return nil, err
	}
	return s, s.makeDataDir(ctx)
}

// AddEmpty keeps a place and ports for one more server, of which there is nothing yet: a test has
// its data directory made by what it tests.
func (c *Cluster) AddEmpty() (*Server, error) {
	return c.newServer(len(c.Servers)+1, c.config.Settings)
}

// merged are settings on top of others.
func merged(all ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, settings := range all {
		maps.Copy(m, settings)
	}
	return m
}

// Start starts all servers and waits until they accept connections.
func (c *Cluster) Start(ctx context.Context) error {
	return c.each(func(s *Server) error { return s.Start(ctx) })
}

// Stop stops all servers with a fast shutdown.
func (c *Cluster) Stop(ctx context.Context) error {
	return c.each(func(s *Server) error { return s.Stop(ctx) })
}

func (c *Cluster) each(do func(*Server) error) error {
	var group errgroup.Group
	for _, s := range c.Servers {
		group.Go(func() error { return do(s) })
	}
	return group.Wait()
}

// Destroy stops all servers the hard way and removes the cluster's directory.
// It may be called more than once, and from a signal handler's goroutine.
func (c *Cluster) Destroy() error {
	if err := c.each((*Server).destroy); err != nil {
		return err
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	c.isDestroyed()
	return nil
}
