package replay

import (
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/trace"
)

// A node that starts again without what it had answered to others is found,
// whatever it was told of the disk: what a vote or an acknowledgement promised
// is gone.
func TestToldAndForgotten(t *testing.T) {
	for _, c := range []struct {
		name, want string
		forget     func(*trace.Boot)
	}{
		{"nothing", "", func(*trace.Boot) {}},
		{"the term", "had given node", func(b *trace.Boot) { b.Durable.HardState.Term-- }},
		{"the vote", "it starts with its vote in term", func(b *trace.Boot) { b.Durable.HardState.Vote = 0 }},
		{"an entry", "it had said in term", func(b *trace.Boot) { b.Durable.Entries = b.Durable.Entries[:len(b.Durable.Entries)-1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSample(t)
			s.propose(10)
			first := s.leader()
			first.crash()
			second := s.leader()
			s.propose(10)
			for _, n := range s.nodes {
				if n != first && n != second { // it gave the second its vote
					n.crash()
					n.start()
					n.files[len(n.files)-1] = rewriteBoot(t, n.files[len(n.files)-1], c.forget)
				}
			}
			inc := s.incident()
			k := NewChecker(inc)
			for _, n := range inc.Nodes {
				for c := n.Cursor(); c.Next(); {
					k.See(c.Event())
				}
			}
			text := ""
			for _, v := range k.Violations {
				text += v.String() + "\n"
			}
			if c.want == "" && text != "" || !strings.Contains(text, c.want) || c.want != "" && !strings.Contains(text, "nothing goes back") {
				t.Errorf("found %q, want %q", text, c.want)
			}
		})
	}
}

// rewriteBoot changes the start at the beginning of a file.
func rewriteBoot(t *testing.T, file []byte, change func(*trace.Boot)) []byte {
	t.Helper()
	out, boots := []byte(trace.Magic), 0
	r := trace.NewReader(file)
	for f, ok := r.Next(); ok; f, ok = r.Next() {
		if b, ok := f.(*trace.Boot); ok {
			boots++
			change(b)
		}
		out = trace.Append(out, f)
	}
	if boots != 1 {
		t.Fatalf("%d starts in the file", boots)
	}
	return out
}
