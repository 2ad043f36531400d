package trace

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// Step is one input, given to a core again.
type Step struct {
	Recorded *Input
	Input    core.Input
	Output   core.Output // of the replay
	Status   core.Status // after it
	Sum      uint64
	Parts    core.Parts
	Panic    string // what the core panicked with; it takes no more inputs
}

// Same says that the core did what it did when it was recorded: also when that
// was to panic.
func (s *Step) Same() bool {
	if s.Recorded.Summed {
		return s.Panic == "" && s.Sum == s.Recorded.Sum
	}
	return s.Panic != ""
}

// Player replays the files of one node: give it every frame of them, in order.
type Player struct {
	// Set, when not nil, changes the configuration that cores start with: what
	// would have happened otherwise? No sums are compared then.
	Set func(*core.Config)

	core   *core.Core
	config core.Config
	chain  core.Chain
	seq    uint64
	life   uint64
	dead   bool // it panicked

	// Checkpoints is how many were reached by replay and found equal to the byte.
	Checkpoints int
	// Restored is how many the replay began with anew.
	Restored int
	// Gaps are the inputs that are missing between files of one life.
	Gaps []Gap
}

// Gap is what was not recorded: the inputs with numbers from First to Last.
type Gap struct{ First, Last uint64 }

// ErrCheckpoint says that the replay came to another state than the recorded
// core, without an output having differed.
var ErrCheckpoint = errors.New("trace: the state differs from the checkpoint")

// ErrStart says that a trace cannot be replayed from where it begins.
var ErrStart = errors.New("trace: no core to give inputs to")

// Play takes the next frame. Step is nil unless it is an Input. A step that is
// not Same is no error: what the core does next is just another run.
func (p *Player) Play(f Frame) (*Step, error) {
	switch f := f.(type) {
	case *Header:
		if f.Life != p.life {
			p.core, p.life, p.dead = nil, f.Life, false
		}
	case *Boot:
		return nil, p.boot(f)
	case *Checkpoint:
		return nil, p.checkpoint(f)
	case *Input:
		return p.input(f)
	}
	return nil, nil
}

func (p *Player) boot(f *Boot) error {
	p.config = f.Config
	if p.Set != nil {
		p.Set(&p.config)
	}
	c, err := core.New(p.config, f.Durable)
	if err != nil {
		return fmt.Errorf("trace: start the core as it was started: %w", err)
	}
	p.core, p.chain, p.seq, p.dead = c, core.Chain{}, 0, false
	return nil
}

func (p *Player) checkpoint(f *Checkpoint) error {
	if p.core != nil && f.Seq == p.seq && p.Set != nil {
		return nil // its own way on
	}
	// A sum of 0 begins anew: what was recorded from there on may be redacted otherwise.
	if p.core != nil && f.Seq == p.seq && f.Sum == p.chain.Sum && f.Sum != 0 {
		mine, err := p.core.Checkpoint()
		if err != nil {
			return fmt.Errorf("trace: compare with the checkpoint after input %d: %w", f.Seq, err)
		}
		if !bytes.Equal(mine, f.Data) {
			return fmt.Errorf("%w after input %d", ErrCheckpoint, f.Seq)
		}
		p.Checkpoints++
		return nil
	}
	if p.core != nil && f.Seq > p.seq {
		p.Gaps = append(p.Gaps, Gap{p.seq + 1, f.Seq})
	}
	c, err := p.restore(f.Config, f.Data)
	if err != nil {
		return fmt.Errorf("trace: restore the checkpoint after input %d: %w", f.Seq, err)
	}
	p.core, p.chain, p.seq, p.dead = c, core.Chain{Sum: f.Sum}, f.Seq, false
	p.Restored++
	return nil
}

func (p *Player) restore(cfg core.Config, data []byte) (*core.Core, error) {
	p.config = cfg
	if p.Set == nil {
		return core.Restore(cfg, data)
	}
	p.Set(&p.config)
	return core.RestoreOther(cfg, p.config, data)
}

func (p *Player) input(f *Input) (*Step, error) {
	in, err := f.Decode()
	switch {
	case err != nil:
		return nil, fmt.Errorf("trace: input %d: %w", f.Seq, err)
	case p.core == nil:
		return nil, fmt.Errorf("%w: input %d follows neither a start nor a checkpoint", ErrStart, f.Seq)
	case f.Seq != p.seq+1:
		return nil, fmt.Errorf("%w: input %d follows %d: a file is missing", ErrStart, f.Seq, p.seq)
	case p.dead:
		return nil, fmt.Errorf("%w: the core panicked before input %d", ErrStart, f.Seq)
	}
	p.seq++
	s := &Step{Recorded: f, Input: in}
	s.Output, s.Panic = p.step(in)
	if s.Panic != "" {
		p.dead = true
		return s, nil
	}
	p.chain.Add(&s.Output)
	s.Status, s.Sum, s.Parts = p.core.Status(), p.chain.Sum, *p.chain.Parts()
	return s, nil
}

// step keeps a panic of the core, which may be what was recorded.
func (p *Player) step(in core.Input) (out core.Output, panicked string) {
	defer func() {
		if x := recover(); x != nil {
			panicked = fmt.Sprint(x)
		}
	}()
	return p.core.Step(in), ""
}

// Core is the core as it is now; nil before the first start.
func (p *Player) Core() *core.Core { return p.core }

// Config is what the core was started with.
func (p *Player) Config() core.Config { return p.config }

// Sum is the chain's over what was played.
func (p *Player) Sum() uint64 { return p.chain.Sum }

// Seq is the number of the last input played.
func (p *Player) Seq() uint64 { return p.seq }

// Moment is a player at an instant.
type Moment struct {
	player Player
	data   []byte
}

// Bytes is about how much memory it takes.
func (m Moment) Bytes() int { return len(m.data) }

// Moment returns the one that it is at, for Reset.
func (p *Player) Moment() (Moment, error) {
	m := Moment{player: *p}
	m.player.core = nil
	if p.core == nil {
		return m, nil
	}
	data, err := p.core.Checkpoint()
	m.data = data
	return m, err
}

// Reset goes back to m, any number of times.
func (p *Player) Reset(m Moment) error {
	if m.data == nil {
		*p = m.player
		return nil
	}
	c, err := core.Restore(m.player.config, m.data)
	if err != nil {
		return fmt.Errorf("trace: back to input %d: %w", m.player.seq, err)
	}
	*p = m.player
	p.core = c
	return nil
}
