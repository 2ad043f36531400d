package trace

import (
	"slices"

	"github.com/pgraft/pgraft/core"
)

// Recorder turns what one core does into frames. The host calls Begin and Boot,
// then Input before and Output after every Step, and takes the bytes away with
// Take whenever it likes.
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
	input  Input
	open   bool // between Input and Output
}

// Begin starts a file.
func (r *Recorder) Begin(h Header) {
	h.Format, h.Protocol, h.Redacted = Format, core.Protocol, r.Redact != nil
	r.b = Append(append(r.b, Magic...), &h)
}

// Boot records how the core was started.
func (r *Recorder) Boot(now int64, cfg core.Config, d core.Durable) {
	r.config, r.chain, r.seq, r.fresh = cfg, core.Chain{}, 0, false
	if r.Redact != nil {
		d = core.RedactDurable(d, r.Redact)
	}
	r.b = Append(r.b, &Boot{Time: now, Config: cfg, Durable: d})
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
	var data []byte
	var err error
	if r.Redact != nil {
		data, err = c.RedactedCheckpoint(r.Redact)
	} else {
		data, err = c.Checkpoint()
	}
	if err != nil {
		return err
	}
	if r.fresh {
		r.chain, r.fresh = core.Chain{}, false
	}
	r.b = slices.Grow(r.b, len(data)+checkpointRoom)
	r.b = Append(r.b, &Checkpoint{Seq: r.seq, Sum: r.chain.Sum, Time: now, Config: r.config, Data: data})
	return nil
}

// checkpointRoom is what a frame needs beside the state itself, in bytes.
const checkpointRoom = 4096

// Input records an input before its Step, which may change it.
func (r *Recorder) Input(now int64, in core.Input) {
	r.seq++
	if r.Redact != nil {
		in = core.RedactInput(in, r.Redact)
	}
	r.open, r.input.Seq, r.input.Time, r.input.Data = true, r.seq, now, core.EncodeInput(r.input.Data[:0], in)
}

// Output completes the frame of the input that led to it.
func (r *Recorder) Output(out core.Output) {
	if r.Redact != nil {
		out = core.RedactOutput(out, r.Redact)
	}
	r.chain.AddEncoded(r.input.Data, out)
	r.input.Summed, r.input.Sum, r.input.Parts = true, r.chain.Sum, r.chain.Parts()
	r.close()
}

// Unfinished completes the frame of an input that the core did not come back
// from.
func (r *Recorder) Unfinished() {
	if r.open {
		r.input.Summed = false
		r.close()
	}
}

func (r *Recorder) close() {
	r.b = Append(r.b, &r.input)
	r.open = false
	if cap(r.input.Data) > maxKeptBuffer {
		r.input.Data = nil
	}
}

// Note records a line for people.
func (r *Recorder) Note(now int64, class, line string) {
	r.b = Append(r.b, &Note{Time: now, Seq: r.seq, Class: class, Text: line})
}

// End ends the file.
func (r *Recorder) End(now int64, reason string) {
	r.b = Append(r.b, &End{Time: now, Seq: r.seq, Reason: reason})
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

// maxKeptBuffer is how large a buffer is kept for the next frames, in bytes.
const maxKeptBuffer = 1 << 20

// Take calls f with what was recorded since the last time: whole frames. They
// are gone once f returns, in any case.
func (r *Recorder) Take(f func(frames []byte) error) error {
	if r.open {
		panic("trace: Take between Input and Output")
	}
	err := f(r.b)
	if r.b = r.b[:0]; cap(r.b) > maxKeptBuffer {
		r.b = nil
	}
	return err
}
