package failover

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
	case QuarantinedCannotRejoin:
		return "clone it from the primary, and clear it"
	case QuarantinedStoreLost:
		return "remove it from the cluster, and join it anew"
	}
	return "nothing is to be done"
}
