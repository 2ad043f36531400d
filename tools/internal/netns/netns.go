// Package netns gives each server of a test a network of its own: a network namespace with one
// address, on a bridge that this process is on too. Cut drops what passes there without a word,
// as a network does that is gone. It needs root, and the commands ip and nft. Start with New;
// Close, deferred right after it, removes everything.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// subnets are 198.18.0.0/24 and those after it: they are reserved for tests of networks.
const (
	subnet  = "198.18.%d.%d"
	subnets = 256
	bridge  = 254 // the last number of this process's own address
)

// Network is a bridge with its namespaces. Its methods may be called at once.
type Network struct {
	number int

	mu    sync.Mutex
	nodes []int
}

// made are the networks that this process has made and not closed.
var made struct {
	sync.Mutex
	all map[*Network]bool
}

// New makes a network without nodes.
func New() (*Network, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root: run this as root")
	}
	for _, command := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(command); err != nil {
			return nil, fmt.Errorf("network namespaces need iproute2 and nftables: %w; run tools/deps/debian.sh --net", err)
		}
	}
	if err := removeLeftovers(); err != nil {
		return nil, err
	}
	var last error
	for i := range subnets {
		n := &Network{number: (os.Getpid() + i) % subnets}
		if last = ip("link", "add", n.bridge(), "type", "bridge"); last != nil {
			continue // somebody has that number
		}
		made.Lock()
		if made.all == nil {
			made.all = map[*Network]bool{}
		}
		made.all[n] = true
		made.Unlock()
		err := errors.Join(
			ip("link", "set", n.bridge(), "alias", owner+strconv.Itoa(os.Getpid())),
			ip("address", "add", fmt.Sprintf(subnet+"/24", n.number, bridge), "dev", n.bridge()),
			ip("link", "set", n.bridge(), "up"))
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
		return n, nil
	}
	return nil, fmt.Errorf("netns: no bridge in %d tries: %w", subnets, last)
}

func (n *Network) bridge() string        { return fmt.Sprintf("pgr%d", n.number) }
func (n *Network) space(node int) string { return fmt.Sprintf("pgr%dn%d", n.number, node) }
func (n *Network) veth(node int) string  { return fmt.Sprintf("pgr%dv%d", n.number, node) }

// Address is the node's, from 1 to 253.
func (n *Network) Address(node int) string { return fmt.Sprintf(subnet, n.number, node) }

// Add makes the namespace of a node.
func (n *Network) Add(node int) error {
	n.mu.Lock()
	n.nodes = append(n.nodes, node)
	n.mu.Unlock()
	space, out := n.space(node), n.veth(node)
	for _, args := range [][]string{
		{"netns", "add", space},
		{"link", "add", out, "type", "veth", "peer", "name", "eth0", "netns", space},
		{"link", "set", out, "master", n.bridge(), "up"},
		{"-n", space, "address", "add", n.Address(node) + "/24", "dev", "eth0"},
		{"-n", space, "link", "set", "eth0", "up"},
		{"-n", space, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return nil
}

// Enter calls do on a thread that is in the node's namespace: programs that do starts are there.
func (n *Network) Enter(node int, do func() error) error {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("netns: %w", err)
	}
	defer here.Close()
	there, err := os.Open(filepath.Join("/run/netns", n.space(node)))
	if err != nil {
		return fmt.Errorf("netns: %w", err)
	}
	defer there.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("netns: enter %s: %w", n.space(node), err)
	}
	err = do()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(fmt.Sprintf("netns: leave %s: %v", n.space(node), back)) // whatever this thread does next would be there
	}
	runtime.UnlockOSThread()
	return err
}

// Match is what is cut: packets to and from these addresses, from or to these ports. Empty
// matches all.
type Match struct {
	Addresses []string
	Ports     []int
	Way       Way
	Percent   int // of the packets, at random; 0: all
}

// Way is in which direction packets are dropped.
type Way int

const (
	Both Way = iota
	In       // to the node
	Out      // from it
)

// Cut drops what matches any at this node, and nothing else: it replaces what was cut before.
func (n *Network) Cut(node int, any ...Match) error {
	var in, out []string
	for _, m := range any {
		from, to := "", ""
		if len(m.Addresses) > 0 {
			list := "{ " + strings.Join(m.Addresses, ", ") + " } "
			from, to = "ip saddr "+list, "ip daddr "+list
		}
		sides := []string{""}
		if len(m.Ports) > 0 {
			var ports []string
			for _, p := range m.Ports {
				ports = append(ports, strconv.Itoa(p))
			}
			list := " { " + strings.Join(ports, ", ") + " } "
			sides = []string{"tcp sport" + list, "tcp dport" + list}
		}
		drop := "drop"
		if m.Percent != 0 {
			drop = fmt.Sprintf("numgen random mod 100 < %d drop", m.Percent)
		}
		for _, side := range sides {
			if m.Way != Out {
				in = append(in, from+side+drop)
			}
			if m.Way != In {
				out = append(out, to+side+drop)
			}
		}
	}
	rules := "table inet pgraft\ndelete table inet pgraft\ntable inet pgraft {\n" +
		"chain in { type filter hook input priority 0; " + strings.Join(in, "; ") + "; }\n" +
		"chain out { type filter hook output priority 0; " + strings.Join(out, "; ") + "; }\n}\n"
	return n.Enter(node, func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("netns: nft: %w: %s\n%s", err, out, rules)
		}
		return nil
	})
}

// Heal ends what was cut.
func (n *Network) Heal(node int) error { return n.Cut(node) }

// Close removes the network. Processes that are there go on without one.
func (n *Network) Close() error {
	made.Lock()
	delete(made.all, n)
	made.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	for _, node := range n.nodes {
		// A namespace lives on for as long as a connection of its dead processes has something to send.
		err = errors.Join(err, ip("link", "delete", n.veth(node)), ip("netns", "delete", n.space(node)))
	}
	n.nodes = nil
	return errors.Join(err, ip("link", "delete", n.bridge()))
}

// CloseAll closes all networks of this process: for a signal, when no cleanup of a test runs.
func CloseAll() error {
	made.Lock()
	var all []*Network
	for n := range made.all {
		all = append(all, n)
	}
	made.Unlock()
	var err error
	for _, n := range all {
		err = errors.Join(err, n.Close())
	}
	return err
}

// owner is what a bridge is labelled with, before the pid of its process.
const owner = "pgraft test "

// removeLeftovers removes networks whose process was killed.
func removeLeftovers() error {
	links, err := filepath.Glob("/sys/class/net/pgr*/ifalias")
	if err != nil {
		return fmt.Errorf("netns: %w", err)
	}
	for _, link := range links {
		alias, err := os.ReadFile(link)
		pid, ours := strings.CutPrefix(strings.TrimSpace(string(alias)), owner)
		if err != nil || !ours {
			continue // it is gone, or not ours
		}
		if _, err := os.Stat("/proc/" + pid); err == nil {
			continue
		}
		bridge := filepath.Base(filepath.Dir(link))
		veths, _ := filepath.Glob("/sys/class/net/" + bridge + "v*") // the pattern is right
		for _, veth := range veths {
			err = errors.Join(err, ip("link", "delete", filepath.Base(veth)))
		}
		spaces, _ := filepath.Glob("/run/netns/" + bridge + "n*")
		for _, space := range spaces {
			err = errors.Join(err, ip("netns", "delete", filepath.Base(space)))
		}
		if err := errors.Join(err, ip("link", "delete", bridge)); err != nil {
			return err
		}
	}
	return nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
