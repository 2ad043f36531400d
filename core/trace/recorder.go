package trace

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// Recorder turns what one core does into frames. The host calls Begin and Boot,
// then Input before and Output after every Step, and takes the bytes away with
// Take whenever it likes but between the two.
//
// A recorder that missed steps calls Checkpoint before the next Input, in a file
// of its own: Begin, Skip, Checkpoint.
type Recorder struct {
	// Redact, when not nil, stands in for users' data: bytes of the same length
	// for equal data equal ones. It changes only between two files.
	Redact func(data []byte) []byte

	config core.Config
	chain  core.Chain
	seq    uint64
	fresh  bool // the next Checkpoint begins a new sum
	b      []byte
	open   bool  // between Input and Output
	at     int   // where the open frame begins in b
	now    int64 // its time
}

// Begin starts a file.
func (r *Recorder) Begin(h Header) {
	h.Format, h.Protocol, h.Redacted = Format, core.Protocol, r.Redact != nil
	r.add(Magic, &h)
}

// Boot records how the core was started.
func (r *Recorder) Boot(now int64, cfg core.Config, d core.Durable) {
	r.config, r.chain, r.seq, r.fresh = cfg, core.Chain{}, 0, false
	if r.Redact != nil {
		d = core.RedactDurable(d, r.Redact)
	}
	r.add("", &Boot{Time: now, Config: cfg, Durable: d})
}

// Skip says that an input was not recorded. The next frame but notes must be a
// Checkpoint.
func (r *Recorder) Skip() {
	r.seq++
	r.fresh = true
}

// Renew says that the next Checkpoint shall not continue the sum: that of a
// redacted trace is another than that of a plain one.
func (r *Recorder) Renew() { r.fresh = true }

// SetConfig is for a core whose Boot was not recorded.
func (r *Recorder) SetConfig(cfg core.Config) { r.config, r.seq, r.fresh = cfg, 0, true }

// Checkpoint records the whole state of the core.
func (r *Recorder) Checkpoint(now int64, c *core.Core) error {
	sum := r.chain.Sum
	if r.fresh {
		sum = 0
	}
	at := len(r.b)
	b := Append(r.b, &Checkpoint{Seq: r.seq, Sum: sum, Time: now, Config: r.config})
	b, err := c.AppendCheckpoint(b, r.Redact)
	if err != nil {
		return err
	}
	if r.fresh {
		r.chain, r.fresh = core.Chain{}, false
	}
	r.b = b
	seal(b[at:])
	return nil
}

// Input records an input before its Step, which may change it.
func (r *Recorder) Input(now int64, in core.Input) {
	r.seq++
	if r.Redact != nil {
		in = core.RedactInput(in, r.Redact)
	}
	r.open, r.at, r.now = true, len(r.b), now
	r.b = beginInput(r.b, in)
}

// Output completes the frame of the input that led to it.
func (r *Recorder) Output(out core.Output) {
	if r.Redact != nil {
		out = core.RedactOutput(out, r.Redact)
	}
	r.chain.Add(&out)
	r.b = endInput(r.b, r.at, r.seq, r.now, r.chain.Sum, r.chain.Parts())
	r.open = false
}

// Unfinished completes the frame of an input that the core did not come back
// from.
func (r *Recorder) Unfinished() {
	if r.open {
		r.b = endInput(r.b, r.at, r.seq, r.now, 0, nil)
		r.open = false
	}
}

// add appends a frame, between two steps.
func (r *Recorder) add(before string, f Frame) {
	if r.open {
		panic(fmt.Sprintf("trace: %T between Input and Output", f))
	}
	r.b = Append(append(r.b, before...), f)
}

// Note records a line for people.
func (r *Recorder) Note(now int64, class, line string) {
	r.add("", &Note{Time: now, Seq: r.seq, Class: class, Text: line})
}

// End ends the file.
func (r *Recorder) End(now int64, reason string) {
	r.add("", &End{Time: now, Seq: r.seq, Reason: reason})
}

// Drop forgets what was recorded and not taken. The next frame must be a
// Checkpoint, in another file.
func (r *Recorder) Drop() {
	r.b, r.open, r.fresh = r.b[:0], false, true
}

// Len is how many bytes wait to be taken.
func (r *Recorder) Len() int { return len(r.b) }

// Seq is the number of the last input.
func (r *Recorder) Seq() uint64 { return r.seq }

// Take returns what was recorded since the last time, whole frames, and goes on
// in spare, whose memory is the recorder's from then on: nil will do.
func (r *Recorder) Take(spare []byte) []byte {
	if r.open {
		panic("trace: Take between Input and Output")
	}
	b := r.b
	r.b = spare[:0]
	return b
}
