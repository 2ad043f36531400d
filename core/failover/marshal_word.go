package failover

import "github.com/pgraft/pgraft/core/corepb"

// What an operator's word is made of, as protobuf messages.

func reportedTo(r Reported) *corepb.FailoverState_Reported {
	return &corepb.FailoverState_Reported{Member: r.Member, Boot: r.Boot, Position: positionTo(r.Position)}
}

func reportedFrom(r *corepb.FailoverState_Reported) Reported {
	return Reported{r.GetMember(), r.GetBoot(), positionFrom(r.GetPosition())}
}

func lossTo(l Loss) *corepb.FailoverLoss {
	if l.None() {
		return nil
	}
	m := &corepb.FailoverLoss{Missing: l.Missing}
	for _, r := range l.Greater {
		m.Greater = append(m.Greater, reportedTo(r))
	}
	return m
}

func lossFrom(m *corepb.FailoverLoss) Loss {
	l := Loss{Missing: m.GetMissing()}
	for _, r := range m.GetGreater() {
		l.Greater = append(l.Greater, reportedFrom(r))
	}
	return l
}

func askTo(k Ask) *corepb.FailoverState_Ask {
	if k == (Ask{}) {
		return nil
	}
	return &corepb.FailoverState_Ask{Way: uint32(k.Way), Target: k.Target, Index: k.Index, Millis: k.Millis}
}

func askFrom(m *corepb.FailoverState_Ask) Ask {
	return Ask{small[Way](m.GetWay()), m.GetTarget(), m.GetIndex(), m.GetMillis()}
}
