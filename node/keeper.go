package node

import (
	"fmt"

	"github.com/pgraft/pgraft/core/retain"
)

// The runner as core.Keeper. It says no Needs yet, so any order is a fault of the
// core's.

func (r *runner) kept(order string, of any) {
	panic(fmt.Sprintf("node: %s %+v ordered, but this node says no Needs", order, of))
}

func (r *runner) Retain(from uint64)           { r.kept("Retain", from) }
func (r *runner) ReadHistory(x retain.Read)    { r.kept("ReadHistory", x) }
func (r *runner) Export(ticket uint64)         { r.kept("Export", ticket) }
func (r *runner) DropState(ticket uint64)      { r.kept("DropState", ticket) }
func (r *runner) SendPart(p retain.SendPart)   { r.kept("SendPart", p) }
func (r *runner) Fetched(f retain.Fetched)     { r.kept("Fetched", f) }
func (r *runner) StatePart(p retain.StatePart) { r.kept("StatePart", p) }
