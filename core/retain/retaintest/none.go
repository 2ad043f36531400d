// Package retaintest is for tests of hosts that have no database.
package retaintest

import (
	"fmt"

	"github.com/pgraft/pgraft/core/retain"
)

// None is the part of a host that carries out what package retain decides, for one
// that never says Needs, in a cluster in which nobody does: an order is a fault.
type None struct{}

func fault(order string, of any) {
	panic(fmt.Sprintf("%s %+v ordered in a cluster without databases", order, of))
}

func (None) Retain(from uint64)           { fault("Retain", from) }
func (None) ReadHistory(r retain.Read)    { fault("ReadHistory", r) }
func (None) Export(ticket uint64)         { fault("Export", ticket) }
func (None) DropState(ticket uint64)      { fault("DropState", ticket) }
func (None) SendPart(p retain.SendPart)   { fault("SendPart", p) }
func (None) Fetched(f retain.Fetched)     { fault("Fetched", f) }
func (None) StatePart(p retain.StatePart) { fault("StatePart", p) }
