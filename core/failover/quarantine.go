package failover

// What people do about it: a quarantine, or an entry of theirs that changed nothing.

// WayOut is what a person does about a quarantine, for people. Nobody else ends one, and
// it ends with Clear. Where the reason is still there the member is quarantined again.
func (q Quarantined) WayOut() string {
	switch q {
	case QuarantinedByOperator:
		return "clear it when it may take part again"
	case QuarantinedOtherFork, QuarantinedUnnoted, QuarantinedUnguarded:
		return "save what was written there and is needed; then have its data made anew from the primary, and clear it"
	case QuarantinedOtherRecord:
		return "compare both servers before anything is made anew, as the primary may be the one that was written to; then have the wrong one cloned, and clear it"
	case QuarantinedStoreLost:
		return "remove it from the cluster, and join it anew"
	}
	return "nothing is to be done"
}

// WayOut is what an operator does whose entry was void, for people; empty: there is nothing
// beside what the reason says.
func (v Void) WayOut() string {
	switch v {
	case VoidOff:
		return "Enable it with pgraft_enable_failover() on the primary."
	case VoidFounding:
		return "Wait until the standbys have followed, or disable it with pgraft_disable_failover()."
	case VoidEpoch, VoidStage, VoidBetween, VoidSetVersion, VoidQuarantined, VoidUnnamed:
		return "Look at pgraft_stat_failover, and try again."
	case VoidNotElectable, VoidUnknown, VoidNoReport, VoidTooFew, VoidGreater:
		return "pgraft_stat_failover says what each member is, and why it cannot be the primary."
	case VoidLastPrimary:
		return "Use pgraft_switchover() first."
	case VoidUnderWay:
		return "Wait for its end: pgraft_stat_failover shows it."
	case VoidSettings:
		return "See the ranges in the documentation of pgraft_failover_settings()."
	}
	return ""
}
