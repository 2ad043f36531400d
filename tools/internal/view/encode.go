package view

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
)

// What the page gets: gzip over
//
//	4 bytes   length of the header, little endian
//	header    JSON: names, counts, nodes, marks
//	columns   as the header lists them, each value a zigzag varint, the
//	          difference to the value before it (of the same lane, where the
//	          column says so)
//	strings   UTF-8, one a line; string 0 is empty
//
// Columns of failover are there only if there is something of it. page/data.js reads it. Times are microseconds. Lanes, steps and messages are
// stored plus 1, so that 0 means none.

type header struct {
	Name     string   `json:"name"`
	Nodes    []lane   `json:"nodes"`
	Steps    int      `json:"steps"`
	Messages int      `json:"messages"`
	Columns  []column `json:"columns"`
	Kinds    []string `json:"kinds"`  // of messages
	Inputs   []string `json:"inputs"` // kinds of inputs
	Roles    []string `json:"roles"`
	Moments  []moment `json:"marks"`
	// Of failover, not there without it:
	Servers []string `json:"servers,omitempty"` // states of servers
	Stages  []string `json:"stages,omitempty"`  // of an epoch
}

type lane struct {
	ID         uint32 `json:"id"`
	TickMillis uint64 `json:"tick_millis"`
	Recorded   bool   `json:"recorded"`
	Address    string `json:"address"`
}

type moment struct {
	Lane int    `json:"lane"`
	At   int64  `json:"at"`
	Kind string `json:"kind"`
	Text string `json:"text"`
	Step int    `json:"step"`
}

type column struct {
	Name   string `json:"name"`
	Of     string `json:"of"`      // "steps" or "messages"
	ByLane bool   `json:"by_lane"` // differences are taken within a lane
	values []uint64
}

// names gives every distinct text a number, in order of appearance.
type names struct {
	list   []string
	number map[string]int
}

func newNames(first ...string) *names {
	n := &names{number: map[string]int{}}
	for _, s := range first {
		n.of(s)
	}
	return n
}

func (n *names) of(s string) uint64 {
	i, ok := n.number[s]
	if !ok {
		i = len(n.list)
		n.number[s] = i
		n.list = append(n.list, s)
	}
	return uint64(i)
}

// encode packs a history for the page.
func encode(h *history.History) ([]byte, error) {
	e := encoder{h: h, kinds: newNames(), inputs: newNames(), texts: newNames(""), tables: map[any]uint64{}}
	head := header{Name: h.Name, Steps: len(h.Steps), Messages: len(h.Messages), Moments: []moment{}}
	for _, n := range h.Nodes {
		head.Nodes = append(head.Nodes, lane{n.ID, n.TickMillis, n.Recorded, n.Address})
	}
	for _, m := range h.Moments {
		head.Moments = append(head.Moments, moment{m.Lane + 1, m.At.Microseconds(), m.Kind.String(), m.Text, m.Step + 1})
	}
	for r := core.RoleFollower; r <= core.RoleRemoved; r++ {
		head.Roles = append(head.Roles, r.String())
	}
	e.steps()
	if slices.ContainsFunc(h.Steps, func(s history.Step) bool { return s.Failover != nil }) {
		e.failover(&head)
	}
	e.messages()
	for _, c := range e.columns {
		head.Columns = append(head.Columns, *c)
	}
	head.Kinds, head.Inputs = e.kinds.list, e.inputs.list
	return e.pack(head)
}

type encoder struct {
	h                    *history.History
	columns              []*column
	kinds, inputs, texts *names
	tables               map[any]uint64 // texts of failover, by what they are of
}

func (e *encoder) column(of, name string, byLane bool, value func(i int) uint64) {
	n := len(e.h.Steps)
	if of == "messages" {
		n = len(e.h.Messages)
	}
	c := &column{Name: name, Of: of, ByLane: byLane, values: make([]uint64, n)}
	for i := range n {
		c.values[i] = value(i)
	}
	e.columns = append(e.columns, c)
}

func micros(d time.Duration) uint64 { return uint64(d.Microseconds()) }

func (e *encoder) steps() {
	laneOf := e.lanes()
	input := func(name string, value func(s *history.Step) uint64) {
		e.column("steps", name, false, func(i int) uint64 { return value(&e.h.Steps[i]) })
	}
	state := func(name string, value func(s *history.Step) uint64) {
		e.column("steps", name, true, func(i int) uint64 { return value(&e.h.Steps[i]) })
	}
	input("lane", func(s *history.Step) uint64 { return uint64(s.Lane + 1) })
	input("at", func(s *history.Step) uint64 { return micros(s.At) })
	input("input", func(s *history.Step) uint64 { return e.inputs.of(history.InputName(s)) })
	input("text", func(s *history.Step) uint64 { return e.texts.of(oneLine(history.InputText(s))) })
	input("out", func(s *history.Step) uint64 { return e.texts.of(oneLine(history.StepText(s))) })
	state("role", func(s *history.Step) uint64 { return uint64(s.After.Role) })
	state("term", func(s *history.Step) uint64 { return s.After.Term })
	state("lead", func(s *history.Step) uint64 { return laneOf[core.NodeID(s.After.Lead)] })
	state("vote", func(s *history.Step) uint64 {
		if s.Vote == history.UnknownVote {
			return uint64(len(e.h.Nodes) + 1) // no lane has that number
		}
		return laneOf[core.NodeID(s.Vote)]
	})
	state("commit", func(s *history.Step) uint64 { return s.After.Commit })
	state("applied", func(s *history.Step) uint64 { return s.After.Applied })
	state("last", func(s *history.Step) uint64 { return s.After.Last })
	state("tick", func(s *history.Step) uint64 { return s.After.Tick })
	state("lease", func(s *history.Step) uint64 { return micros(s.LeaseEnd) })
}

// lanes are those of the nodes, plus 1.
func (e *encoder) lanes() map[uint32]uint64 {
	lanes := map[uint32]uint64{}
	for i, n := range e.h.Nodes {
		lanes[n.ID] = uint64(i + 1)
	}
	return lanes
}

func (e *encoder) messages() {
	number := func(name string, value func(m *history.Message) uint64) {
		e.column("messages", name, false, func(i int) uint64 { return value(&e.h.Messages[i]) })
	}
	number("from", func(m *history.Message) uint64 { return uint64(m.From + 1) })
	number("to", func(m *history.Message) uint64 { return uint64(m.To + 1) })
	number("sent", func(m *history.Message) uint64 { return uint64(m.Sent + 1) })
	number("got", func(m *history.Message) uint64 { return uint64(m.Got + 1) })
	number("kind", func(m *history.Message) uint64 { return e.kinds.of(m.Kind) })
	number("mterm", func(m *history.Message) uint64 { return m.Term })
	number("logterm", func(m *history.Message) uint64 { return m.LogTerm })
	number("index", func(m *history.Message) uint64 { return m.Index })
	number("mcommit", func(m *history.Message) uint64 { return m.Commit })
	number("entries", func(m *history.Message) uint64 { return uint64(m.Entries) })
	number("bytes", func(m *history.Message) uint64 { return uint64(m.Bytes) })
	number("round", func(m *history.Message) uint64 { return m.Round })
	number("promise", func(m *history.Message) uint64 { return m.PromiseMillis })
	number("reject", func(m *history.Message) uint64 { return flag(m.Reject) })
	number("again", func(m *history.Message) uint64 { return flag(m.Again) })
	number("more", func(m *history.Message) uint64 { return e.texts.of(oneLine(m.More)) })
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

func (e *encoder) pack(head header) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("view: header: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("view: compress: %w", err)
	}
	buf := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	buf = append(buf, text...)
	before := make([]uint64, len(e.h.Nodes))
	for _, c := range e.columns {
		clear(before)
		single := uint64(0)
		for i, v := range c.values {
			was := &single
			if c.ByLane {
				was = &before[e.h.Steps[i].Lane]
			}
			buf = binary.AppendVarint(buf, int64(v-*was))
			*was = v
		}
	}
	buf = append(buf, strings.Join(e.texts.list, "\n")...)
	if _, err := z.Write(buf); err != nil {
		return nil, fmt.Errorf("view: compress %d bytes: %w", len(buf), err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("view: compress %d bytes: %w", len(buf), err)
	}
	return out.Bytes(), nil
}
