// Nemesis breaks a cluster that fails over, again and again and in ways that a seed draws, while
// sessions commit on it, and says in the end whether what clients were told is true: make nemesis
// FOR=10m. It needs root for cuts, small disks and slow ones; without it those kinds are left out.
//
// Where to look: the kinds of faults are a table (faults.go), which and when is drawn by plan.go, what
// clients do is in work.go and what they saw in history.go. check.go decides what is an anomaly,
// from the history and the servers' rows alone; gaps.go for how long nothing was acknowledged.
// Builds of the extension without a part of failover, in which it has to find something, are in
// parts.go.
//
// A seed is the same plan each time, not the same run: servers take their own time.
package main
