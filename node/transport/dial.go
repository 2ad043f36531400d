package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// dialLoop keeps p dialled while it is listed.
func (p *peer) dialLoop() {
	cfg := p.t.cfg
	soon := backoff{min: cfg.BackoffMin, max: cfg.BackoffMax}
	later := backoff{min: cfg.RefusedBackoffMin, max: cfg.RefusedBackoffMax}
	again := backoff{min: cfg.BackoffMin, max: max(cfg.BackoffMin, min(cfg.BackoffMax, cfg.TurnedAwayBackoff))}
	for {
		p.t.mu.Lock()
		m := p.member
		ctx, cancel := context.WithCancel(p.ctx)
		p.stopDial = cancel
		p.t.mu.Unlock()
		if m == nil || ctx.Err() != nil {
			cancel()
			return
		}
		select {
		case <-p.retry: // this is it
		default:
		}
		lived, err := p.dial(ctx, m)
		cancel()
		delay := &soon
		var refused *refusedError
		if errors.As(err, &refused) {
			delay = &later
		} else if later.reset(); lived >= cfg.StableAfter {
			soon.reset()
			again.reset()
		}
		var hungUp *hungUpError
		if errors.As(err, &hungUp) {
			delay = &again
		}
		p.pause(m, delay.delay())
	}
}

// pause waits, unless the member changed since m was dialled.
func (p *peer) pause(m *corepb.Member, d time.Duration) {
	p.t.mu.Lock()
	changed := p.member == nil || !sameEndpoint(p.member, m)
	p.t.mu.Unlock()
	if changed {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.retry:
	case <-p.ctx.Done():
	}
}

// dial connects to m and reads until the connection ends; lived says how long
// it did. An error means that there was none.
func (p *peer) dial(ctx context.Context, m *corepb.Member) (lived time.Duration, err error) {
	c, err := p.connect(ctx, m)
	if err != nil {
		if ctx.Err() == nil {
			p.failed(m, err)
		}
		return 0, err
	}
	p.t.logOnce(slog.LevelInfo, peerName(p.id), "connected",
		fmt.Sprintf("connected to %s at %s, version %d", peerName(p.id), endpoint(m), c.version))
	end := errPanic
	defer func() {
		p.detach(c, end)
		lived = time.Since(c.since)
	}()
	end = c.read()
	return 0, nil
}

var (
	errPanic   = errors.New("a handler panicked")
	errNoHello = errors.New("this node does not dial now")
)

func (p *peer) connect(ctx context.Context, m *corepb.Member) (*conn, error) {
	hello := p.t.cfg.Handler.Hello(m)
	if hello == nil {
		return nil, errNoHello
	}
	c, w, err := p.t.open(ctx, endpoint(m), hello)
	if err != nil {
		return nil, err
	}
	if err = rightMember(m, w); err == nil {
		c.from, c.replica, c.process = p.id, string(w.GetReplica()), string(w.GetProcess())
		c.agree(core.WelcomeRange(w), core.HelloRange(hello))
		p.t.mu.Lock()
		if p.ctx.Err() != nil || p.member == nil || !sameEndpoint(p.member, m) {
			err = errChanged
		} else if err = errors.Join(p.t.tooOld(c), p.t.rival(p.id, c.replica, c.process)); err == nil {
			p.out = c
			p.attached(c)
		}
		p.t.mu.Unlock()
	}
	if err != nil {
		c.close(err)
		return nil, err
	}
	return c, nil
}

// rightMember checks that who welcomed us is the member that we dialled.
func rightMember(m *corepb.Member, w *corepb.Welcome) error {
	if w.GetRaftId() != m.GetRaftId() {
		return fmt.Errorf("%s answered", peerName(w.GetRaftId()))
	}
	if r := m.GetReplicaUuid(); len(r) != 0 && string(r) != string(w.GetReplica()) {
		return &suspectError{core.OtherReplica, fmt.Sprintf("replica %x answered, not %x", w.GetReplica(), r)}
	}
	return nil
}

// failed is the bookkeeping for a dial that came to nothing.
func (p *peer) failed(m *corepb.Member, err error) {
	p.t.mu.Lock()
	p.lastError = clip(err.Error())
	if p.best() == nil {
		p.down = true
		p.dropQueue()
		p.reportLoss()
		if p.member != nil {
			p.reportClosed(errors.Is(err, syscall.ECONNREFUSED))
		}
	}
	var suspect *suspectError
	if errors.As(err, &suspect) {
		p.t.raise(p.id, suspect.kind)
	}
	var refused *refusedError
	level := slog.LevelWarn
	switch {
	case !errors.As(err, &refused):
	case p.t.ourselves(refused.welcome.GetProcess()):
		level = slog.LevelDebug
	default:
		self, other := accused(m.GetReplicaUuid(), refused.speaks, refused.welcome)
		p.t.self.raise(self, time.Now(), &p.t.cfg)
		p.t.raise(p.id, other)
	}
	p.t.mu.Unlock()
	if refused == nil {
		p.t.logOnce(slog.LevelWarn, peerName(p.id), "dial",
			fmt.Sprintf("cannot connect to %s at %s: %v", peerName(p.id), endpoint(m), err))
		return
	}
	p.t.logOnce(level, peerName(p.id), "refused", fmt.Sprintf("%s at %s refused our connection: %s (%s)",
		peerName(p.id), endpoint(m), refused.welcome.GetReason(), refused.welcome.GetRefusal()))
	p.t.cfg.Handler.Refused(m, refused.welcome)
}

func sameEndpoint(a, b *corepb.Member) bool {
	return endpoint(a) == endpoint(b) && string(a.GetReplicaUuid()) == string(b.GetReplicaUuid())
}

func endpoint(m *corepb.Member) string {
	return net.JoinHostPort(m.GetAddress(), strconv.FormatUint(uint64(m.GetPort()), 10))
}
