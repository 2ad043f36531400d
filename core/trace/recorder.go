package trace

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/checkpoint"
)

// Recorder turns what one core does into frames. The host calls Begin and Boot,
// then Input before and Output after every Step, and takes the bytes away with
// Take whenever it likes but between the two.
//
// A recorder that missed steps calls Checkpoint before the next Input, in a file
// of its own: Begin, Skip, Checkpoint.
type Recorder struct {
	// Redact, when not nil, redacts users' data. It changes only between two files,
	// with Renew.
	Redact *core.Redaction

	config core.Config
	chain  core.Chain
	seq    uint64
	fresh  bool // the next Checkpoint begins a new sum
	b      []byte
	large  []byte // the open frame, if it may have to be packed
	small  int    // inputs since a large one
	open   bool   // between Input and Output
	pack   bool   // the open frame is in large
	state  int    // bytes of the last Checkpoint
	at     int    // where the open frame begins in b
	now    int64  // its time
}

// Begin starts a file. What h says of the format is filled in, what it says of
// users' data is the caller's, who knows what Redact does.
func (r *Recorder) Begin(h Header) {
	h.Format, h.Protocol = Format, core.NewestVersion
	r.add(Magic, &h)
}

// Boot records how the core was started.
func (r *Recorder) Boot(now int64, cfg core.Config, d core.Durable) {
	r.config, r.chain, r.seq, r.fresh = cfg, core.Chain{}, 0, false
	boot := &Boot{Time: now, Config: cfg, Durable: d, redact: r.Redact}
	if r.Redact == nil {
		r.add("", boot)
		return
	}
	at := r.beginPacked(kindBoot)
	k := checkpoint.Writer(nil)
	k.Drain(r.addPacked)
	boot.walk(k)
	r.addPacked(k.Bytes())
	seal(r.b[at:])
}

func (r *Recorder) beginPacked(kind byte) (at int) {
	at = len(r.b)
	r.b = beginPacked(r.b, kind)
	return at
}

func (r *Recorder) addPacked(p []byte) { r.b = pack(r.b, p) }

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
	size := 0
	head := &Checkpoint{Seq: r.seq, Sum: sum, Time: now, Config: r.config}
	at := len(r.b)
	r.b = slices.Grow(r.b, r.state+r.state/8) // the next one is about as large
	put := func(p []byte) { r.b = append(r.b, p...) }
	if r.Redact == nil {
		r.b = Append(r.b, head)
	} else {
		r.beginPacked(kindCheckpoint)
		k := checkpoint.Writer(nil)
		head.walk(k)
		r.addPacked(k.Bytes())
		put = r.addPacked
	}
	err := c.WriteCheckpoint(r.Redact, func(p []byte) {
		if size += len(p); size < maxUnpackedBytes/2 {
			put(p)
		}
	})
	if err == nil && size >= maxUnpackedBytes/2 {
		err = fmt.Errorf("trace: the core's state takes %d bytes", size)
	}
	if err != nil {
		r.b = r.b[:at]
		return err
	}
	if r.fresh {
		r.chain, r.fresh = core.Chain{}, false
	}
	r.state = len(r.b) - at
	seal(r.b[at:])
	return nil
}

// Input records an input before its Step, which may change it.
func (r *Recorder) Input(now int64, in core.Input) {
	r.seq++
	r.open, r.pack, r.at, r.now = true, false, len(r.b), now
	if r.Redact == nil {
		r.b = beginInput(r.b, in)
		return
	}
	if !large(in) {
		if r.small++; r.small >= maxSmall {
			r.large = nil
		}
		r.b = beginInput(r.b, in)
		r.Redact.Input(r.b[r.at+inputAt:])
		return
	}
	r.small = 0
	r.large = beginInput(r.large[:0], in)
	if r.pack = r.Redact.Input(r.large[inputAt:]); !r.pack {
		r.b = append(r.b, r.large...)
	}
}

// largeBytes is what an input holds at least that may be worth packing.
const largeBytes = 2 << 10

func large(in core.Input) bool {
	for in := range core.Each(in) {
		switch in := in.(type) {
		case core.Receive:
			if len(in.Data) >= largeBytes {
				return true
			}
		case core.Propose:
			if len(in.Data) >= largeBytes {
				return true
			}
		case core.HistoryRead:
			return true
		}
	}
	return false
}

// Output completes the frame of the input that led to it.
func (r *Recorder) Output(out core.Output) {
	if r.Redact != nil {
		out = r.Redact.Output(out)
	}
	r.chain.Add(&out)
	r.end(r.chain.Sum, r.chain.Parts())
}

// Unfinished completes the frame of an input that the core did not come back
// from.
func (r *Recorder) Unfinished() {
	if r.open {
		r.end(0, nil)
	}
}

func (r *Recorder) end(sum uint64, parts *core.Parts) {
	r.open = false
	if !r.pack {
		r.b = endInput(r.b, r.at, r.seq, r.now, sum, parts)
		return
	}
	frame := endInput(r.large, 0, r.seq, r.now, sum, parts)
	r.b = packFrame(r.b, frame)
	if r.large = frame; cap(r.large) > maxLargeBytes {
		r.large = nil
	}
}

const (
	// maxLargeBytes is how much memory is kept for large inputs.
	maxLargeBytes = 4 << 20
	// maxSmall is how many others come until it goes.
	maxSmall = 500
)

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
