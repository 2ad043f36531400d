package node_test

import (
	"errors"
	"testing"

	"github.com/pgraft/pgraft/node"
)

// No order of package failover is lost in silence: a node that gets one stops, and says
// why.
func TestFailoverIsNotCarriedOut(t *testing.T) {
	m := newMember(t, 1).open().init(true)
	m.FailOver()
	if _, failure := m.State(); m.inState(node.Failed) != nil || !errors.Is(failure, node.ErrFailover) {
		t.Errorf("%v, failure: %v", m.inState(node.Failed), failure)
	}
	m.stop()
}
