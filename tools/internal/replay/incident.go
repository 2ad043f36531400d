// Package replay feeds recorded traces to fresh cores and shows what they do.
//
//	inc, err := replay.Open("a.trace", "saved-ring/", ...)
//	for n := range inc.Nodes {
//		c := n.Cursor()
//		for c.Next() { c.Event() ... }   // one node, in its own order
//	}
//	for e := range inc.Merged() { ... }  // all nodes, in causal order
//
// An Event is one frame with what came of it: for an input the decoded input,
// the replayed core's output and its status after it.
package replay

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Incident is what was recorded of one or more nodes.
type Incident struct {
	Nodes []*Node // by node id
}

// Node is one member's trace: its files in order.
type Node struct {
	Name    string // "1", or "1/3" for incarnation 3 where several are told of
	NodeID  uint32
	RaftID  uint64
	Files   []*File
	Inputs  int // in all files
	replica [16]byte

	refs    []ref // all frames but headers' magic
	moments []moment

	apart       int // frames between two moments
	momentBytes int
}

// File is one file of a trace.
type File struct {
	Path   string
	Bytes  int
	Header trace.Header
	Damage *trace.DamageError // nil if it is whole
	Frames int
	First  time.Time
	Last   time.Time

	data []byte
}

// ref is where a frame is.
type ref struct {
	file  int32
	at    int32 // offset in the file
	input int32 // how many inputs of the node come up to and with it
}

// Open reads traces: files, and all *.trace files in and below directories.
// Files that tell of the same node are put in order; one that is there twice
// counts once.
func Open(paths ...string) (*Incident, error) {
	files, err := find(paths)
	if err != nil {
		return nil, err
	}
	inc := &Incident{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		if err := inc.add(path, data); err != nil {
			return nil, err
		}
	}
	return inc, inc.index(files)
}

// find lists the files that paths stand for.
func find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("replay: %w; name a file of the flight recorder, or a directory that pgraft_trace_save() made", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && strings.HasSuffix(p, traceSuffix) {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("replay: look for traces in %s: %w", path, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("replay: no *%s in %s or below; SELECT pgraft_trace_save('DIRECTORY') on a server writes them", traceSuffix, path)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// traceSuffix is what the recorder's files end in.
const traceSuffix = ".trace"

// OpenBytes is Open for traces in memory; names are for messages.
func OpenBytes(names []string, data [][]byte) (*Incident, error) {
	inc := &Incident{}
	for i := range data {
		if err := inc.add(names[i], data[i]); err != nil {
			return nil, err
		}
	}
	return inc, inc.index(names)
}

// add puts one file to its node. A file of several traces, one after another,
// is taken apart.
func (inc *Incident) add(path string, data []byte) error {
	for _, part := range split(data) {
		r := trace.NewReader(part)
		if _, ok := r.Next(); !ok {
			var damage *trace.DamageError
			if err := r.Err(); errors.As(err, &damage) && damage.Cut && damage.Offset <= len(trace.Magic) {
				continue // killed, or out of room, before its first write was whole
			} else if err != nil {
				return fmt.Errorf("replay: %s: %w", path, err)
			}
			return fmt.Errorf("replay: %s: no trace in it", path)
		}
		h := r.Header()
		n := inc.node(h)
		f := &File{Path: path, Bytes: len(part), Header: h, data: part}
		twin := slices.IndexFunc(n.Files, func(o *File) bool { return o.Header.File == h.File && o.Header.Life == h.Life })
		switch {
		case twin < 0:
			n.Files = append(n.Files, f)
		case len(part) > n.Files[twin].Bytes: // it was saved twice
			n.Files[twin] = f
		}
	}
	return nil
}

// split cuts where another trace begins: the magic stands between two frames.
func split(data []byte) [][]byte {
	var parts [][]byte
	for len(data) > 0 {
		r := trace.NewReader(data)
		for _, ok := r.Next(); ok; _, ok = r.Next() {
		}
		end := r.Offset()
		if end == 0 || end >= len(data) || !bytes.HasPrefix(data[end:], []byte(trace.Magic)) {
			return append(parts, data)
		}
		parts, data = append(parts, data[:end]), data[end:]
	}
	return parts
}

func (inc *Incident) node(h trace.Header) *Node {
	for _, n := range inc.Nodes {
		if n.NodeID == h.NodeID && n.RaftID == h.RaftID && n.replica == h.ReplicaUUID {
			return n
		}
	}
	n := &Node{NodeID: h.NodeID, RaftID: h.RaftID, replica: h.ReplicaUUID}
	inc.Nodes = append(inc.Nodes, n)
	return n
}

// index finds all frames, and names the nodes.
func (inc *Incident) index(names []string) error {
	if len(inc.Nodes) == 0 {
		return fmt.Errorf("replay: %s: it ends before its first frame, as a killed server leaves it: there is nothing to replay", strings.Join(names, ", "))
	}
	slices.SortStableFunc(inc.Nodes, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(a.NodeID, b.NodeID), cmp.Compare(a.RaftID, b.RaftID))
	})
	seen := map[uint32]int{}
	for _, n := range inc.Nodes {
		seen[n.NodeID]++
	}
	for _, n := range inc.Nodes {
		n.Name = fmt.Sprint(n.NodeID)
		if seen[n.NodeID] > 1 {
			n.Name = fmt.Sprintf("%d/%d", n.NodeID, core.Incarnation(n.RaftID))
		}
		slices.SortStableFunc(n.Files, func(a, b *File) int {
			return cmp.Or(cmp.Compare(a.Header.File, b.Header.File), cmp.Compare(a.Header.Time, b.Header.Time))
		})
		for i, f := range n.Files {
			n.indexFile(i, f)
		}
	}
	return nil
}

func (n *Node) indexFile(i int, f *File) {
	r := trace.NewReader(f.data)
	at := len(trace.Magic)
	for frame, ok := r.Next(); ok; frame, ok = r.Next() {
		if _, ok := frame.(*trace.Input); ok {
			n.Inputs++
		}
		if t := frameTime(frame); t != 0 {
			f.Last = time.Unix(0, t)
			if f.First.IsZero() {
				f.First = f.Last
			}
		}
		f.Frames++
		n.refs = append(n.refs, ref{int32(i), int32(at), int32(n.Inputs)})
		at = r.Offset()
	}
	if err := r.Err(); err != nil {
		errors.As(err, &f.Damage)
	}
}

// frame reads one again.
func (n *Node) frame(i int) trace.Frame {
	f := n.Files[n.refs[i].file]
	r := trace.At(f.data, int(n.refs[i].at))
	frame, ok := r.Next()
	if !ok {
		panic(fmt.Sprintf("replay: %s at byte %d was read before, but: %v", f.Path, n.refs[i].at, r.Err()))
	}
	return frame
}

func frameTime(f trace.Frame) int64 {
	switch f := f.(type) {
	case *trace.Header:
		return f.Time
	case *trace.Boot:
		return f.Time
	case *trace.Input:
		return f.Time
	case *trace.Checkpoint:
		return f.Time
	case *trace.Note:
		return f.Time
	case *trace.End:
		return f.Time
	}
	return 0
}

// Inputs is how many all nodes have together.
func (inc *Incident) Inputs() (n int) {
	for _, x := range inc.Nodes {
		n += x.Inputs
	}
	return n
}
