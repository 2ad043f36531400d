package pgcluster

import (
	"context"
	"time"

	"github.com/pgraft/pgraft/tools/internal/proc"
)

// Usage is what a process takes from the machine.
type Usage struct {
	CPU      float64 // share of one core, 0.01 = one per cent
	PSSBytes int64   // proportional set size: shared pages count in part
}

// MeasureEngine watches the engine worker for the interval and says what it
// took. Nothing should be asked of the server meanwhile.
func (s *Server) MeasureEngine(ctx context.Context, interval time.Duration) (Usage, error) {
	pid, err := s.EngineWorker()
	if err != nil {
		return Usage{}, err
	}
	before, err := proc.CPU(pid)
	if err != nil {
		return Usage{}, err
	}
	began := time.Now()
	select { // the interval is what is measured, not a guess at when something is done
	case <-time.After(interval):
	case <-ctx.Done():
		return Usage{}, ctx.Err()
	}
	after, err := proc.CPU(pid)
	if err != nil {
		return Usage{}, err
	}
	usage := Usage{CPU: float64(after-before) / float64(time.Since(began))}
	usage.PSSBytes, err = proc.PSS(pid)
	return usage, err
}
