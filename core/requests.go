package core

import "google.golang.org/protobuf/encoding/protowire"

// requests remembers committed request ids for requestWindow log entries: the
// bound is a distance in the log, so every node forgets at the same entry.
type requests struct {
	byID    map[[16]byte]place
	order   []request // by index
	encoded []byte    // order as a corepb.State has it: snapshots are many, and it is most of each
}

type place struct{ index, term uint64 }

type request struct {
	id [16]byte
	at place
}

func (r *requests) add(id [16]byte, at place) {
	x := request{id, at}
	r.byID[id] = at
	r.order = append(r.order, x)
	r.encoded = x.appendTo(r.encoded)
}

// forget drops what lies further back than the window.
func (r *requests) forget(index uint64) {
	n, size := 0, 0
	for n < len(r.order) && r.order[n].at.index+requestWindow <= index {
		delete(r.byID, r.order[n].id)
		size += protowire.SizeTag(requestsField) + protowire.SizeBytes(r.order[n].size())
		n++
	}
	r.order, r.encoded = r.order[n:], r.encoded[size:] // append moves what is left when it runs out of room
}

// requestsField is the number of corepb.State's requests, its last field.
const requestsField protowire.Number = 4

// size is that of x as a corepb.Request, without its length before it. No entry
// has index or term 0, which protobuf would leave out.
func (x request) size() int {
	return 3 + protowire.SizeBytes(len(x.id)) + protowire.SizeVarint(x.at.index) + protowire.SizeVarint(x.at.term)
}

// appendTo writes x as protobuf would.
func (x request) appendTo(b []byte) []byte {
	b = protowire.AppendVarint(protowire.AppendTag(b, requestsField, protowire.BytesType), uint64(x.size()))
	b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), x.id[:])
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), x.at.index)
	return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), x.at.term)
}
