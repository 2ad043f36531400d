package core

import (
	"fmt"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/failover"
)

// How package failover is driven: its machine gets the members, the ticks, what the
// host says and what the other members tell. Its replicated half is a part of the state
// machine, on nodes that take no part in failover too: see failover_state.go.

// failing is what the core keeps for that; empty on a node that takes no part.
type failing struct {
	machine *failover.Machine // nil: this node takes no part
}

func (c *Core) startFailover() {
	f := c.cfg.Failover
	if f.Boot == 0 {
		return
	}
	c.failing.machine = failover.New(failover.Config{Self: c.self, TickMillis: c.cfg.TickMillis,
		ElectionTicks: uint64(c.cfg.ElectionTicks), SealMillis: f.SealMillis}, f.Boot, c.now)
}

// failoverMachine is for an input that only a node with failover gets.
func (c *Core) failoverMachine(in Input) *failover.Machine {
	if c.failing.machine == nil {
		panic(fmt.Sprintf("%T, and this node takes no part in failover", in))
	}
	return c.failing.machine
}

func (f *failing) state(k *checkpoint.Codec) {
	if !k.Writing() {
		f.machine = &failover.Machine{}
	}
	f.machine.State(k)
}
