package node_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

// benchMember is set in the processes of the members that BenchmarkLoad adds.
const benchMember = "PGRAFT_BENCH_MEMBER"

func TestMain(m *testing.M) {
	if id := os.Getenv(benchMember); id != "" {
		benchMain(id)
		return
	}
	os.Exit(m.Run())
}

// benchMain is a member that was never opened, until its standard input ends.
func benchMain(arg string) {
	id, port, dir := 0, 0, ""
	if _, err := fmt.Sscanf(arg, "%d %d %s", &id, &port, &dir); err != nil {
		panic(err)
	}
	cfg := benchConfig(dir, uint32(id), uint32(port))
	n, err := node.Open(cfg)
	if err != nil {
		panic(err)
	}
	if _, err := n.Init(nil); err != nil {
		panic(err)
	}
	fmt.Println("open")
	bufio.NewReader(os.Stdin).ReadString('\n')
	if err := n.Close(); err != nil {
		panic(err)
	}
}

func benchConfig(dir string, id, port uint32) node.Config {
	return node.Config{ClusterID: "bench", NodeID: id, Address: "127.0.0.1", Port: port,
		DataDir: dir + "/pgraft", MarkerPath: dir + "/pgraft.initialized",
		ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond,
		MaxEntryBytes: 1 << 20, SnapshotEntries: 10_000, Trace: recorder.Settings{Mode: recorder.Ring, MaxBytes: 64 << 20}}
}

// BenchmarkLoad has a node in this process, which leads or follows, and two in processes
// of their own, and 256-byte entries on their way for so many sessions. One thread
// submits, as the engine's does, and sleeps until it is told of answers. cpu-us/entry and
// sleeps/entry (of threads) are of all three processes.
func BenchmarkLoad(b *testing.B) {
	answers := newAnswers(b)
	n, pids := benchCluster(b, answers)
	for _, on := range []struct {
		name   string
		leader uint32
	}{{"leader", 1}, {"follower", 2}} {
		for _, sessions := range []int{1, 8, 64, 256} {
			b.Run(fmt.Sprintf("on=%s/sessions=%d", on.name, sessions), func(b *testing.B) {
				lead(b, n, on.leader)
				b.ReportAllocs()
				before, slept := cpuTime(b, pids), sleeps(b, pids)
				b.ResetTimer()
				took := answers.drive(b, n, sessions, b.N)
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64((cpuTime(b, pids)-before).Microseconds())/float64(b.N), "cpu-us/entry")
				b.ReportMetric(float64(sleeps(b, pids)-slept)/float64(b.N), "sleeps/entry")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
			})
		}
	}
}

// lead has a node lead.
func lead(b *testing.B, n *node.Node, id uint32) {
	eventually(b, fmt.Sprintf("node %d to lead", id), func() error {
		v, err := n.View(soon(b))
		if err != nil || core.NodeID(v.Core.Lead) == id {
			return err
		}
		err = n.TransferLeader(soon(b), id)
		return errors.Join(err, errors.New("it does not yet"))
	})
}

func benchCluster(b *testing.B, a *answers) (n *node.Node, pids []int) {
	cfg := benchConfig(b.TempDir(), 1, freePort(b))
	cfg.Answered = a.wake
	n = must[*node.Node](b, "open")(node.Open(cfg))
	b.Cleanup(func() {
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	must[bool](b, "init")(n.Init(nil))
	pids = []int{os.Getpid()}
	for id := uint32(2); id <= 3; id++ {
		port := freePort(b)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", benchMember, id, port, b.TempDir()))
		cmd.Stderr = os.Stderr
		in := must[interface{ Close() error }](b, "stdin")(cmd.StdinPipe())
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := in.Close(); err != nil {
				b.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Error(err)
			}
		})
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
			b.Fatalf("member %d says %q, %v", id, line, err)
		}
		eventually(b, fmt.Sprintf("member %d to vote", id), func() error {
			voter, err := n.AddNode(soon(b), id, "127.0.0.1", port)
			if err == nil && !voter {
				err = fmt.Errorf("it is a learner")
			}
			return err
		})
		pids = append(pids, cmd.Process.Pid)
	}
	return n, pids
}

// answers is the thread that submits, with the eventfd that wakes it.
type answers struct {
	fd    int
	mu    sync.Mutex
	ended []*session
	errs  []error
	next  uint64 // request id
}

type session struct {
	began time.Time
	call  *node.Call
}

func newAnswers(b *testing.B) *answers {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			b.Error(err)
		}
	})
	return &answers{fd: fd}
}

func (a *answers) wake() {
	if _, err := unix.Write(a.fd, binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
		panic(err)
	}
}

func (a *answers) take() []*session {
	a.mu.Lock()
	defer a.mu.Unlock()
	ended := a.ended
	a.ended = nil
	return ended
}

// drive proposes n entries for so many sessions, and returns how long each waited.
func (a *answers) drive(b *testing.B, n *node.Node, sessions, entries int) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	data := []byte(strings.Repeat("x", 256))
	begin := func(s *session) *node.Call {
		a.next++
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], a.next)
		s.began = time.Now()
		s.call = &node.Call{Timeout: patience,
			Input: func(n uint64) core.Input { return core.Propose{ID: n, RequestID: id, Data: data} },
			Done: func(_ core.Reply, err error) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.ended = append(a.ended, s)
				if err != nil {
					a.errs = append(a.errs, err)
				}
			}}
		return s.call
	}
	started, took := 0, make([]time.Duration, 0, entries)
	var batch []*node.Call
	for ; started < min(sessions, entries); started++ {
		batch = append(batch, begin(&session{}))
	}
	n.Submit(batch)
	var buf [8]byte
	for len(took) < entries {
		if _, err := unix.Read(a.fd, buf[:]); err != nil && err != unix.EINTR {
			b.Fatal(err)
		}
		now := time.Now()
		batch = batch[:0]
		for _, s := range a.take() {
			took = append(took, now.Sub(s.began))
			if started < entries {
				started++
				batch = append(batch, begin(s))
			}
		}
		if len(batch) > 0 {
			n.Submit(batch)
		}
	}
	for _, err := range a.errs {
		b.Error(err)
	}
	return took
}

// cpuTime is what the threads of the processes have had of processors, to the nanosecond.
func cpuTime(b *testing.B, pids []int) (sum time.Duration) {
	ofThreads(b, pids, "schedstat", func(s string) error {
		n, err := strconv.ParseInt(strings.Fields(s)[0], 10, 64)
		sum += time.Duration(n)
		return err
	})
	return sum
}

// sleeps is how often threads of the processes have waited for something.
func sleeps(b *testing.B, pids []int) (sum int) {
	ofThreads(b, pids, "status", func(s string) error {
		_, after, _ := strings.Cut(s, "\nvoluntary_ctxt_switches:")
		line, _, _ := strings.Cut(after, "\n")
		n, err := strconv.Atoi(strings.TrimSpace(line))
		sum += n
		return err
	})
	return sum
}

// ofThreads reads a file of each thread in /proc.
func ofThreads(b *testing.B, pids []int, name string, each func(string) error) {
	for _, pid := range pids {
		for _, path := range must[[]string](b, "threads")(filepath.Glob(fmt.Sprintf("/proc/%d/task/*/%s", pid, name))) {
			if err := each(string(must[[]byte](b, name)(os.ReadFile(path)))); err != nil {
				b.Fatalf("%s: %v", path, err)
			}
		}
	}
}
