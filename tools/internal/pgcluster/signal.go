package pgcluster

import (
	"errors"
	"fmt"
	"os"
	ossignal "os/signal"
	"sync"
	"syscall"
)

// made are the clusters that this process has made and not destroyed.
var made struct {
	sync.Mutex
	all map[*Cluster]bool
}

func (c *Cluster) isMade() {
	made.Lock()
	defer made.Unlock()
	if made.all == nil {
		made.all = map[*Cluster]bool{}
	}
	made.all[c] = true
}

func (c *Cluster) isDestroyed() {
	made.Lock()
	defer made.Unlock()
	delete(made.all, c)
}

// DestroyOnSignal has an interrupt, SIGTERM and SIGHUP destroy all clusters of this
// process, carry out also, and end it with status 1. It is for a test's TestMain, as no
// cleanup of a test runs then: the servers would stop by themselves, but their files
// would stay.
func DestroyOnSignal(also ...func() error) {
	ossignal.Ignore(syscall.SIGPIPE) // who reads what this process says may be ended first
	signals := make(chan os.Signal, 1)
	ossignal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		sig := <-signals
		var errs []error
		for _, c := range undestroyed() {
			errs = append(errs, c.Destroy())
		}
		for _, do := range also {
			errs = append(errs, do())
		}
		if err := errors.Join(errs...); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Fprintf(os.Stderr, "ended by %v\n", sig)
		os.Exit(1)
	}()
}

func undestroyed() (l []*Cluster) {
	made.Lock()
	defer made.Unlock()
	for c := range made.all {
		l = append(l, c)
	}
	return l
}
