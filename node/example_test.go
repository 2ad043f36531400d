package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/pgraft/pgraft/node"
)

// A node founds a cluster of one, replicates an entry and reads it back. Others would
// be opened alike, made to wait with Init(new(false)), and added with AddNode.
func Example() {
	dir, err := os.MkdirTemp("", "pgraft-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	port, err := unusedPort()
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := node.Open(node.Config{
		ClusterID: "orders", NodeID: 1, Address: "127.0.0.1", Port: port,
		DataDir: filepath.Join(dir, "pgraft"), MarkerPath: filepath.Join(dir, "pgraft.initialized"),
		ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond,
		MaxEntryBytes: 1 << 20, SnapshotEntries: 10000,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = func() error {
		if _, err := n.Init(nil); err != nil { // node 1 founds a cluster
			return err
		}
		if err := n.AwaitLeader(ctx); err != nil {
			return err
		}
		index, term, err := n.Propose(ctx, [16]byte{1}, []byte("a fact"))
		if err != nil {
			return err
		}
		data, ok, err := n.Entry(ctx, index)
		fmt.Printf("index %d, term %d: %s, of a user: %v\n", index, term, data, ok)
		return err
	}()
	if err != nil {
		fmt.Println(err)
	}
	if err := n.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// index 3, term 2: a fact, of a user: true
}

// unusedPort is a port that nobody listens on at the moment.
func unusedPort() (uint32, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return uint32(l.Addr().(*net.TCPAddr).Port), l.Close()
}
