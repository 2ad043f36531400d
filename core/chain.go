package core

import (
	"math/bits"

	"github.com/pgraft/pgraft/core/retain"
)

// Chain sums up all that came out of a core: two runs of equal inputs with equal
// sums were the same to the byte, and the first step after which the sums differ
// is where they part. The zero value is the chain of a run that has not begun; Sum
// and Steps alone are enough to go on with it later.
//
// It finds mistakes, not malice. A host that wants none pays nothing.
type Chain struct {
	Sum   uint64
	Steps uint64
	parts Parts
}

// Parts tells apart what in two outputs differs: for each field of Output how
// many there are, and a sum over them. A trace has no room for more parts, so Retain and
// Failover share one, which counts 1 for the former, 2 for the latter, 3 for both.
type Parts [7]struct {
	Count uint64
	Sum   uint32 // 0 if Count is
}

// PartNames are the names of Parts, in order.
const PartNames = "Persist Send Apply Reply Events MembersChanged Retain/Failover"

// Parts are those of the last output that was added.
func (c *Chain) Parts() *Parts { return &c.parts }

// Add takes the output of one Step.
func (c *Chain) Add(out *Output) {
	c.parts.sum(out)
	c.Steps++
	c.Sum = mix(c.Sum + 1)
	for i := range c.parts {
		if p := &c.parts[i]; p.Count > 0 {
			c.Sum = mix(c.Sum ^ uint64(i+1)<<60 ^ p.Count<<32 ^ uint64(p.Sum))
		}
	}
}

// digest is a sum over numbers and bytes, in order. Bytes go through a cyclic
// redundancy check, which processors compute about as fast as they copy.
type digest uint64

func (d *digest) number(v uint64) {
	*d = digest((bits.RotateLeft64(uint64(*d), 29) ^ v) * 0x9e3779b97f4a7c15)
}

func (d *digest) bytes(b []byte) { d.number(uint64(crc(b))<<32 ^ uint64(len(b))) }

func (d *digest) flag(v bool) {
	if v {
		d.number(1)
	} else {
		d.number(2)
	}
}

func (d *digest) sum() uint32 { return uint32(mix(uint64(*d)) >> 32) }

// sum sets p to the parts of out.
func (p *Parts) sum(out *Output) {
	*p = Parts{}
	set := func(i, n int, d digest) { p[i].Count, p[i].Sum = uint64(n), d.sum() }
	if n := len(out.Persist); n > 0 {
		var d digest
		for i := range out.Persist {
			d.persist(&out.Persist[i])
		}
		set(0, n, d)
	}
	if n := len(out.Send); n > 0 {
		var d digest
		for i := range out.Send {
			s := &out.Send[i]
			d.number(s.To)
			d.bytes(s.Data)
			d.flag(s.Snapshot)
		}
		set(1, n, d)
	}
	if n := len(out.Apply); n > 0 {
		var d digest
		for i := range out.Apply {
			a := &out.Apply[i]
			d.number(a.Index)
			d.number(a.Term)
			d.bytes(a.Data)
		}
		set(2, n, d)
	}
	if n := len(out.Reply); n > 0 {
		var d digest
		for i := range out.Reply {
			r := &out.Reply[i]
			d.number(r.ID)
			d.number(uint64(r.Code))
			d.number(r.Index)
			d.number(r.Term)
			d.bytes([]byte(r.Text))
			if r.Detail != "" {
				d.bytes([]byte(r.Detail))
			}
		}
		set(3, n, d)
	}
	if n := len(out.Events); n > 0 {
		var d digest
		for i := range out.Events {
			d.number(uint64(out.Events[i].Level))
			d.bytes([]byte(out.Events[i].Text))
		}
		set(4, n, d)
	}
	if out.MembersChanged {
		set(5, 1, 1)
	}
	if out.Retain != nil || out.Failover != nil {
		var d digest
		n := 0
		if out.Retain != nil {
			d.retain(out.Retain)
			n = 1
		}
		if out.Failover != nil {
			d.failover(out.Failover)
			n += 2
		}
		set(6, n, d)
	}
}

func (d *digest) numbers(vs ...uint64) {
	for _, v := range vs {
		d.number(v)
	}
}

func (d *digest) retain(o *retain.Output) {
	d.flag(o.Retain != nil)
	if o.Retain != nil {
		d.number(*o.Retain)
	}
	d.numbers(uint64(len(o.Read)), uint64(len(o.Export)), uint64(len(o.Drop)), uint64(len(o.SendPart)), uint64(len(o.Fetched)))
	for _, r := range o.Read {
		d.numbers(r.Ticket, r.For, r.After, r.Last, r.MaxBytes)
	}
	d.numbers(o.Export...)
	d.numbers(o.Drop...)
	for _, p := range o.SendPart {
		d.numbers(p.To, p.Ticket, p.Offset, p.Size, p.Total)
	}
	for _, f := range o.Fetched {
		d.numbers(f.ID, uint64(len(f.Entries)))
		for i := range f.Entries {
			e := &f.Entries[i]
			d.numbers(e.Index, e.Term)
			d.bytes(e.Data)
			d.flag(e.Own)
		}
		d.numbers(f.Silent...)
		d.number(f.First)
	}
	for _, p := range o.StatePart {
		d.numbers(p.ID, p.From, p.Offset, p.Total)
		d.bytes(p.Data)
	}
}

func (d *digest) persist(p *Persist) {
	d.number(p.Seq)
	d.snapshot(p.Snapshot)
	d.snapshot(p.Mark)
	d.entries(p.Entries)
	d.flag(p.HardState != nil)
	if h := p.HardState; h != nil {
		d.number(h.Term)
		d.number(h.Vote)
		d.number(h.Commit)
	}
	d.number(p.PromiseMillis)
	if p.Version != 0 {
		d.number(uint64(p.Version))
	}
	d.flag(p.Sync)
	if p.Keep > 0 || len(p.History) > 0 {
		d.number(p.Keep)
		d.entries(p.History)
	}
}

func (d *digest) entries(es []Entry) {
	d.number(uint64(len(es)))
	for i := range es {
		e := &es[i]
		d.number(e.Index)
		d.number(e.Term)
		d.number(uint64(e.Kind))
		d.bytes(e.Data)
	}
}

func (d *digest) snapshot(s *Snapshot) {
	d.flag(s != nil)
	if s != nil {
		d.number(s.Index)
		d.number(s.Term)
		d.bytes(s.Data)
	}
}
