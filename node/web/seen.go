package web

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"

	"github.com/pgraft/pgraft/node"
)

// seen is what a page goes by: what the node said of failover a moment ago, and the node itself,
// which says at once whether commits may begin.
type seen struct {
	node     *node.Node // nil: there is none
	err      error      // why it says nothing; then the rest is empty
	failover node.Failover
	own      *node.Standing // nil: the node takes no part in failover
	limit    *uint64        // bytes that a standby may be behind; nil: any
}

// primary says that a commit may begin here now.
func (s *seen) primary() bool { return s.node != nil && s.node.MayCommit() }

// replica says that a standby may be read. One that does not stream though its primary is there may
// not; while there is none, nobody streams. Without failover it is a member that follows a leader,
// and how far behind its server is is not known.
func (s *seen) replica() bool {
	if s.err != nil || !s.node.MayRead() || s.node.MayCommit() {
		return false
	}
	f := &s.failover
	if s.own == nil {
		return f.Boot == 0 && f.Lead != 0 && f.Lead != f.RaftID && s.limit == nil
	}
	if s.own.Role != node.RoleStandby || s.limit != nil && (s.own.Lag == nil || *s.own.Lag > *s.limit) {
		return false
	}
	switch s.own.State {
	case node.StateStreaming, node.StateOff:
		return true
	case node.StateWaiting, node.StateSealed, node.StateReported:
		p := f.Primary()
		return p == 0 || f.Told(p) == nil
	}
	return false
}

func (s *seen) sync() bool  { return s.replica() && s.own != nil && s.own.InSyncSet }
func (s *seen) async() bool { return s.replica() && (s.own == nil || !s.own.InSyncSet) }

var size = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(B|kB|MB|GB|TB)?$`)

var units = map[string]float64{"": 1, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

// lagLimit reads ?lag=, in bytes or as PostgreSQL writes sizes; nil: there is none. Another word
// there is refused: who asks would take it for a limit.
func lagLimit(q url.Values) (*uint64, error) {
	for name := range q {
		if name != "lag" {
			return nil, fmt.Errorf("%q is not known here; lag is", name)
		}
	}
	if !q.Has("lag") {
		return nil, nil
	}
	m := size.FindStringSubmatch(q.Get("lag"))
	if m == nil {
		return nil, fmt.Errorf("lag=%q is no number of bytes, nor one of kB, MB, GB or TB", q.Get("lag"))
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if v *= units[m[2]]; err != nil || v >= math.MaxInt64 {
		return nil, fmt.Errorf("lag=%q is too large", q.Get("lag"))
	}
	return new(uint64(v)), nil
}
