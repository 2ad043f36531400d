package core

import (
	"fmt"

	"github.com/pgraft/pgraft/core/failover"
)

// What package failover decided, in the sums of a Chain.

func (d *digest) failover(o *FailoverOutput) {
	s := &o.Shared
	for _, v := range [...]bool{s.Failover, s.Joined, s.Quarantined, s.Founding, s.Primary, s.Open, s.LeaseCounts, s.Reads} {
		d.flag(v)
	}
	d.numbers(s.Epoch, s.Boot, uint64(s.Set.W))
	d.list(s.Set.Members)
	d.tokens(s.Tokens)
	if s.Limited {
		d.number(s.Limit)
	}
	if s.Next != nil {
		d.numbers(s.Decision, uint64(s.Next.W))
		d.list(s.Next.Members)
	}
	if s.Switchover != 0 {
		d.number(s.Switchover)
	}
	if s.Boots != 0 || s.Prove {
		d.number(s.Boots)
		d.flag(s.Prove)
	}
	for _, w := range [...]failover.Why{o.Why, o.Nobody} {
		d.numbers(uint64(w.Reason), w.Millis)
		d.list(w.Members)
	}
	d.number(uint64(len(o.Orders)))
	for _, x := range o.Orders {
		d.order(x)
	}
}

func (d *digest) order(x failover.Order) {
	switch x := x.(type) {
	case failover.Seal:
		d.numbers(1, x.Boot, x.UpTo)
	case failover.Demote:
		d.numbers(2, x.Epoch, x.Boot)
	case failover.SetNames:
		d.numbers(3, x.Epoch, x.Boot, uint64(x.W), x.Number)
		d.list(x.Members)
		d.tokens(x.Tokens)
	case failover.Promote:
		d.numbers(4, x.Epoch, x.Boot, x.LSN)
		d.branches(x.History)
	case failover.Follow:
		d.numbers(5, x.Primary)
		d.tokens([]failover.Token{x.Token})
		d.bytes([]byte(x.Address))
		d.branches(x.History)
		d.notes(x.Notes)
	case failover.Rejoin:
		d.numbers(6, x.Epoch, x.Boot, x.Primary)
		d.flag(x.Clone)
		d.bytes([]byte(x.Address))
		d.branches(x.History)
		d.notes(x.Notes)
	case failover.Compare:
		d.numbers(7, x.Epoch, x.Boot, x.Member, x.Follow, x.Record.LSN, uint64(x.Record.CRC), uint64(x.Timeline), x.Record.From, uint64(x.Record.Sum))
	case failover.Trust:
		d.numbers(9, x.Epoch, x.Boot)
	case failover.Watch:
		d.numbers(8, x.Epoch, x.Member)
		d.bytes([]byte(x.Address))
	case failover.Release:
		d.numbers(9, x.Epoch, x.Boot)
	case failover.Join:
		d.numbers(12, x.Epoch, x.Boot)
	case failover.Checkpoint:
		d.numbers(10, x.Epoch, x.Boot)
	case failover.Stop:
		d.numbers(11, x.Epoch, x.Boot, x.Request)
	default:
		panic(fmt.Sprintf("unknown order %T", x))
	}
}

// list is numbers of a list that may have any length.
func (d *digest) list(vs []uint64) {
	d.number(uint64(len(vs)))
	d.numbers(vs...)
}

func (d *digest) tokens(ts []failover.Token) {
	d.number(uint64(len(ts)))
	for _, t := range ts {
		d.numbers(t.Epoch, t.Boot, t.Member, t.Follow)
	}
}

func (d *digest) branches(bs []failover.Branch) {
	d.number(uint64(len(bs)))
	for _, b := range bs {
		d.numbers(uint64(b.Timeline), b.Begin)
	}
}

func (d *digest) notes(ns []failover.Note) {
	d.number(uint64(len(ns)))
	for _, n := range ns {
		d.numbers(uint64(n.Timeline), n.Epoch)
	}
}
