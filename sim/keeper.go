package sim

import (
	"fmt"

	"github.com/pgraft/pgraft/core/retain"
)

// The node as core.Keeper. Nobody says Needs here, so any order is a fault of the
// core's.

func (n *node) kept(order string, of any) {
	panic(fmt.Sprintf("%v: %s %+v ordered without databases", n, order, of))
}

func (n *node) Retain(from uint64)           { n.kept("Retain", from) }
func (n *node) ReadHistory(r retain.Read)    { n.kept("ReadHistory", r) }
func (n *node) Export(ticket uint64)         { n.kept("Export", ticket) }
func (n *node) DropState(ticket uint64)      { n.kept("DropState", ticket) }
func (n *node) SendPart(p retain.SendPart)   { n.kept("SendPart", p) }
func (n *node) Fetched(f retain.Fetched)     { n.kept("Fetched", f) }
func (n *node) StatePart(p retain.StatePart) { n.kept("StatePart", p) }
