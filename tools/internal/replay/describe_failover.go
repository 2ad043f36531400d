package replay

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

func failoverInput(in core.Input) string {
	switch in := in.(type) {
	case core.FailoverServer:
		return fmt.Sprintf("FailoverServer %+v", in.Server)
	case core.FailoverPort:
		return fmt.Sprintf("FailoverPort of %s in epoch %d: answers %v, refuses %v, reset %v", node(in.Port.Member), in.Port.Epoch,
			in.Port.Answers, in.Port.Refuses, in.Port.Reset)
	case core.FailoverCompared:
		return fmt.Sprintf("FailoverCompared of %s, boot %d: have %v, equal %v", node(in.Compared.Member), in.Compared.Boot,
			in.Compared.Have, in.Compared.Equal)
	case core.ProposeFailover:
		return fmt.Sprintf("ProposeFailover %d: %s", in.ID, failoverEntry(in.Entry))
	}
	panic(fmt.Sprintf("an input of type %T", in))
}

func failoverEntry(e failover.Entry) string {
	return strings.TrimPrefix(fmt.Sprintf("%T %+v", e, e), "failover.")
}

func failoverMessage(env *corepb.Envelope) string {
	if b := env.GetFailoverEntry(); b != nil {
		e, err := failover.Unmarshal(b)
		if err != nil {
			return err.Error()
		}
		return "failover's entry " + failoverEntry(e)
	}
	t := env.GetFailoverTold()
	s := fmt.Sprintf("FailoverTold: boot %d, applied %d", t.GetBoot(), t.GetApplied())
	if t.GetServer() {
		s += fmt.Sprintf(", recovery %v, timeline %d, sealed %d, replayed %d", t.GetRecovery(), t.GetTimeline(), t.GetSealed(), t.GetReplayed())
	}
	if c := t.GetClaim(); c != nil {
		s += fmt.Sprintf(", claims to follow in epoch %d from %d", c.GetEpoch(), c.GetEnd())
	}
	return s
}

// FailedOver is what package failover decided, a clause for each part; out may be nil.
func FailedOver(out *core.FailoverOutput) (l []string) {
	if out == nil {
		return nil
	}
	add := func(f string, a ...any) { l = append(l, fmt.Sprintf(f, a...)) }
	add("fence   %+v", out.Shared)
	for _, o := range out.Orders {
		add("order   %s", strings.TrimPrefix(fmt.Sprintf("%T %+v", o, o), "failover."))
	}
	if out.Why.Reason != failover.Nothing {
		add("the server waits: %v", out.Why.Reason)
	}
	if out.Nobody.Reason != failover.Nothing {
		add("no other primary: %v", out.Nobody.Reason)
	}
	return l
}
