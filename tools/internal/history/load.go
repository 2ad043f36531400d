package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// traceSuffix is what the recorder's files end in.
const traceSuffix = ".trace"

// Load reads traces of one cluster and merges them. A path is a file, or a
// directory with all *.trace below it. The warnings are for people: files that
// are cut off, clocks that were put right, a replay that differs.
func Load(paths ...string) (h *History, warnings []string, err error) {
	files, err := find(paths)
	if err != nil {
		return nil, nil, err
	}
	m := merger{}
	for _, path := range files {
		if err := m.open(path); err != nil {
			return nil, nil, err
		}
	}
	for _, n := range m.sorted() {
		if err := n.play(); err != nil {
			return nil, nil, fmt.Errorf("node %d: %w", n.id, err)
		}
		warnings = append(warnings, n.warnings...)
	}
	warnings = append(warnings, m.alignClocks()...)
	b := m.merge()
	h, err = b.Build(strings.Join(paths, " "))
	return h, warnings, err
}

// find lists the files that paths stand for.
func find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
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
			return nil, fmt.Errorf("look for traces in %s: %w", path, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no *%s in it", path, traceSuffix)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// nodeTrace is all that the files of one node say.
type nodeTrace struct {
	id       uint32
	files    []traceFile
	events   []event
	warnings []string
	end      event // of the newest file; its mark has no text if that has no end
}

type traceFile struct {
	path   string
	data   []byte
	header trace.Header
}

// event is a step or a mark of one node.
type event struct {
	at   int64 // nanoseconds, of the node's clock
	step *Step // nil: a mark
	mark Mark
}

type merger struct {
	nodes   map[uint32]*nodeTrace
	cluster [16]byte
	first   string // the file that cluster is from
}

func (m *merger) open(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r := trace.NewReader(data)
	if _, ok := r.Next(); !ok {
		return fmt.Errorf("%s: %w", path, r.Err())
	}
	h := r.Header()
	if m.nodes == nil {
		m.nodes, m.cluster, m.first = map[uint32]*nodeTrace{}, h.ClusterUUID, path
	}
	if h.ClusterUUID != m.cluster {
		return fmt.Errorf("%s is of cluster %x, %s of cluster %x: traces of one cluster can be merged", path, h.ClusterUUID, m.first, m.cluster)
	}
	n := m.nodes[h.NodeID]
	if n == nil {
		n = &nodeTrace{id: h.NodeID}
		m.nodes[h.NodeID] = n
	}
	n.files = append(n.files, traceFile{path, data, h})
	return nil
}

func (m *merger) sorted() []*nodeTrace {
	l := make([]*nodeTrace, 0, len(m.nodes))
	for _, n := range m.nodes {
		l = append(l, n)
	}
	slices.SortFunc(l, func(a, b *nodeTrace) int { return cmp.Compare(a.id, b.id) })
	return l
}

func (n *nodeTrace) warn(f string, a ...any) { n.warnings = append(n.warnings, fmt.Sprintf(f, a...)) }

func (n *nodeTrace) mark(at int64, kind MarkKind, f string, a ...any) {
	n.events = append(n.events, event{at: at, mark: Mark{Kind: kind, Text: fmt.Sprintf(f, a...)}})
}

// play replays the node's files in order, so that the outputs are known.
func (n *nodeTrace) play() error {
	slices.SortFunc(n.files, func(a, b traceFile) int {
		return cmp.Or(cmp.Compare(a.header.Time, b.header.Time), cmp.Compare(a.header.File, b.header.File))
	})
	p := &trace.Player{}
	differs := false
	for _, f := range n.files {
		n.end = event{}
		r := trace.NewReader(f.data)
		restored := p.Restored
		for frame, ok := r.Next(); ok; frame, ok = r.Next() {
			step, err := p.Play(frame)
			switch {
			case errors.Is(err, trace.ErrCheckpoint):
				n.mark(frame.(*trace.Checkpoint).Time, Alarm, "%v", err)
				n.warn("%s: %v", f.path, err)
			case err != nil:
				return fmt.Errorf("%s: %w", f.path, err)
			}
			if step != nil && !step.Same() && !differs {
				differs = true
				n.mark(step.Recorded.Time, Alarm, "input %d did something else than was recorded", step.Recorded.Seq)
				n.warn("%s: input %d does something else here than was recorded (by build %q): what follows may not be what happened", f.path, step.Recorded.Seq, f.header.Build)
			}
			n.frame(frame, step, p, p.Restored > restored)
			restored = p.Restored
		}
		if err := r.Err(); err != nil {
			n.warn("%s: %v", f.path, err)
			if len(n.events) > 0 {
				n.mark(n.events[len(n.events)-1].at, Note, "the trace ends here: %v", err)
			}
		}
	}
	if len(n.events) == 0 {
		return fmt.Errorf("%s: nothing in it", n.files[0].path)
	}
	if n.end.mark.Text != "" {
		n.events = append(n.events, n.end)
	}
	return nil
}

// frame takes over what a frame says, and the step it led to.
func (n *nodeTrace) frame(f trace.Frame, step *trace.Step, p *trace.Player, restored bool) {
	switch f := f.(type) {
	case *trace.Boot:
		n.start(f.Time, Start{Config: f.Config, Durable: f.Durable}, p.Core())
	case *trace.Checkpoint:
		if restored {
			n.start(f.Time, Start{Config: f.Config, Resumed: true, Seq: f.Seq}, p.Core())
		}
	case *trace.Input:
		s := &Step{Seq: f.Seq, In: step.Input, Out: step.Output, After: step.Status}
		if step.Panic != "" {
			s.After = n.last().After
			n.mark(f.Time, Alarm, "panic: %s", step.Panic)
		}
		n.events = append(n.events, event{at: f.Time, step: s})
	case *trace.Note:
		n.mark(f.Time, noteKind(f.Class), "%s", f.Text)
	case *trace.End:
		n.end = event{at: f.Time, mark: Mark{Kind: Note, Text: "the record ends: " + f.Reason}}
	}
}

func (n *nodeTrace) start(at int64, s Start, c *core.Core) {
	n.events = append(n.events, event{at: at, step: &Step{Start: &s, After: c.Status()}})
}

// last is the newest step. There is one: no input is played before a start.
func (n *nodeTrace) last() *Step {
	for i := len(n.events) - 1; ; i-- {
		if s := n.events[i].step; s != nil {
			return s
		}
	}
}

// noteKind makes a mark of a note's class.
func noteKind(class string) MarkKind {
	switch class {
	case "panic", "check", "alarm":
		return Alarm
	case "fault":
		return Fault
	}
	if i := slices.Index(markNames[:], class); i >= 0 {
		return MarkKind(i)
	}
	return Note
}
