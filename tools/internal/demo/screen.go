package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// NodeStatus is pgraft_get_cluster_status() as one node answered it.
type NodeStatus struct {
	NodeID int             `json:"node_id"`
	Rows   []sqlapi.Status `json:"rows"`
}

// screen shows a run to people: a line per step; while a step runs, a spinner
// or a bar on a terminal; colour only there, and not with NO_COLOR.
type screen struct {
	out      io.Writer
	terminal bool
	colour   bool
	steps    []StepTime
	pending  string // printed below the line of the step that runs
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok {
		s.terminal = term.IsTerminal(int(f.Fd()))
	}
	s.colour = s.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

type step struct {
	title string
	do    func(*progress) (detail string, err error)
}

// all runs the steps up to the first that fails.
func (s *screen) all(steps ...step) error {
	for _, x := range steps {
		if err := s.step(x.title, x.do); err != nil {
			return err
		}
	}
	return nil
}

// step runs one step and prints its line. The error comes back with the step's
// title.
func (s *screen) step(title string, do func(*progress) (string, error)) error {
	began := time.Now()
	p := &progress{screen: s, title: title}
	p.show(-1)
	detail, err := do(p)
	p.end()
	took := time.Since(began)
	mark := s.paint("32", "✓")
	if err != nil {
		mark = s.paint("31", "✗")
	}
	if detail != "" {
		detail = ": " + detail
	}
	s.printf("%s %s%s  %s\n", mark, title, detail, s.paint("2", fmt.Sprintf("%.2f s", took.Seconds())))
	if s.pending != "" {
		s.printf("\n%s\n", s.pending)
		s.pending = ""
	}
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	s.steps = append(s.steps, StepTime{Title: title, Detail: strings.TrimPrefix(detail, ": "), Seconds: took.Seconds()})
	return nil
}

// after prints text once the line of the running step is there.
func (s *screen) after(text string) { s.pending = text }

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

func (s *screen) bold(format string, args ...any) string {
	return s.paint("1", fmt.Sprintf(format, args...))
}

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// progress is the moving part of a step's line. Without a terminal it shows
// nothing.
type progress struct {
	screen *screen
	title  string
	bar    *progressbar.ProgressBar
}

// show draws a spinner for max -1, else a bar.
func (p *progress) show(max int) {
	if p.screen.terminal {
		p.bar = progressbar.NewOptions(max, progressbar.OptionSetWriter(p.screen.out),
			progressbar.OptionSetDescription(p.title), progressbar.OptionSpinnerType(14),
			progressbar.OptionSetWidth(30), progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(50*time.Millisecond))
	}
}

// total turns the spinner into a bar of n parts.
func (p *progress) total(n int) {
	p.end()
	p.show(n)
}

// add says that one more part is done.
func (p *progress) add() {
	if p.bar != nil {
		p.bar.Add(1) // an error here is one of the terminal, which the next line meets too
	}
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
		p.bar.Clear()
		p.bar = nil
	}
}

// statusTable prints what every node says of the cluster.
func statusTable(nodes []NodeStatus) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  asked\tnode\taddress\tstate\tterm\tcommit\tlast\theard")
	for _, n := range nodes {
		asked := fmt.Sprintf("node %d", n.NodeID)
		for _, r := range n.Rows {
			heard := "-"
			if r.LastHeartbeat != nil {
				heard = *r.LastHeartbeat
			}
			fmt.Fprintf(w, "  %s\t%d\t%s:%d\t%s\t%d\t%d\t%d\t%s\n", asked, r.NodeID, r.Address, r.Port,
				r.State, r.Term, r.CommitIndex, r.LastLogIndex, heard)
			asked = ""
		}
	}
	w.Flush() // into memory: cannot fail
	return b.String()
}
