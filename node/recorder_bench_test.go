package node_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

const (
	// recorderProposers, recorderEntry and recorderWindow are the load of
	// BenchmarkRecorder: sessions, bytes, and entries between two changes.
	recorderProposers = 8
	recorderEntry     = 200
	recorderWindow    = 16000
)

// recorderLoad is three nodes in this process, and proposals to their leader.
type recorderLoad struct {
	cluster
	leader *member
	asked  int
}

func newRecorderLoad(b *testing.B) *recorderLoad {
	c := newCluster(b, 3, func(m *member) {
		m.cfg.ElectionTimeout, m.cfg.HeartbeatInterval = 5*time.Second, 100*time.Millisecond
		m.cfg.SnapshotEntries, m.cfg.Trace.MaxBytes = 10_000, 64<<20
		m.cfg.Logger = nil
	})
	return &recorderLoad{cluster: c, leader: c.leader()}
}

func (l *recorderLoad) set(b *testing.B, mode recorder.Mode) {
	for _, m := range l.cluster {
		s := node.Settings{ElectionTimeout: m.cfg.ElectionTimeout, HeartbeatInterval: m.cfg.HeartbeatInterval, SnapshotEntries: m.cfg.SnapshotEntries,
			Retention: m.cfg.Retention, Trace: recorder.Settings{Mode: mode, MaxBytes: m.cfg.Trace.MaxBytes}}
		if err := m.Reload(s); err != nil {
			b.Fatal(err)
		}
	}
}

func (l *recorderLoad) propose(b *testing.B, n int) {
	data := []byte(strings.Repeat("x", recorderEntry))
	var all sync.WaitGroup
	for p := range recorderProposers {
		first := l.asked
		all.Go(func() {
			for i := p; i < n; i += recorderProposers {
				if _, _, err := l.leader.Propose(b.Context(), request(7, first+i), data); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	l.asked += n
}

// BenchmarkEntries is what an entry costs three nodes and their clients. With
// -benchtime 160000x -cpuprofile cpu.out, `go tool pprof -top -cum -focus
// 'recorder\.\(' cpu.out` says how much of it is the recorder's.
func BenchmarkEntries(b *testing.B) {
	for name, mode := range map[string]recorder.Mode{"off": recorder.Off, "ring": recorder.Ring} {
		b.Run(name, func(b *testing.B) {
			l := newRecorderLoad(b)
			l.set(b, mode)
			used := processorTime(b)
			b.ResetTimer()
			l.propose(b, b.N)
			b.StopTimer()
			b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

// BenchmarkRecorder compares three nodes with themselves, in windows that alternate
// (on off off on ...): all record, or none. A window is the processor's time per
// entry, so that what else the machine does counts less. Each iteration is a pair:
// say -benchtime 25x.
func BenchmarkRecorder(b *testing.B) {
	l := newRecorderLoad(b)
	window := func(mode recorder.Mode) (cpu, wall float64) {
		l.set(b, mode)
		l.propose(b, recorderWindow/4) // the checkpoint that a file begins with comes once in many windows
		used, began := processorTime(b), time.Now()
		l.propose(b, recorderWindow)
		return (processorTime(b) - used).Seconds() * 1e6 / recorderWindow, time.Since(began).Seconds() * 1e6 / recorderWindow
	}
	window(recorder.Off)
	var cpu, wall, on, off []float64
	for i := 0; b.Loop(); i++ {
		var used, took [2]float64
		for j := range 2 {
			k := (i + j) % 2
			used[k], took[k] = window([]recorder.Mode{recorder.Off, recorder.Ring}[k])
		}
		cpu, wall = append(cpu, used[1]/used[0]), append(wall, took[1]/took[0])
		off, on = append(off, used[0]), append(on, used[1])
	}
	fmt.Printf("processor time an entry, all three nodes: off %.1f us, on %.1f us; on against off %s; of the wall's %s\n",
		median(off), median(on), spread(cpu), spread(wall))
	b.ReportMetric(100*(median(cpu)-1), "%cpu")
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(l []float64) float64 {
	l = slices.Sorted(slices.Values(l))
	return l[len(l)/2]
}

// spread is the median of quotients as a percentage, and between which two of
// them the true one lies 19 times in 20.
func spread(l []float64) string {
	s := slices.SortedFunc(slices.Values(l), cmp.Compare)
	n, d := float64(len(s)), 0.98*math.Sqrt(float64(len(s)))
	low, high := s[max(0, int(n/2-d))], s[min(len(s)-1, int(math.Ceil(n/2+d)))]
	return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*(median(l)-1), 100*(low-1), 100*(high-1))
}
