package historytest

import (
	"time"

	"github.com/pgraft/pgraft/tools/internal/history"
)

// Incident is a short run of three nodes: the leader is killed and comes back,
// then the next leader is cut off.
func Incident() (*history.History, error) { return Run(IncidentOptions()) }

// IncidentOptions are those of Incident.
func IncidentOptions() Options {
	return Options{Nodes: 3, Duration: 14 * time.Second, Every: 150 * time.Millisecond, Loss: 5, Repeat: 5, Seed: 7, Script: []Event{
		{At: 4 * time.Second, Kind: history.Down, Nodes: []uint32{1}},
		{At: 7 * time.Second, Kind: history.Up, Nodes: []uint32{1}},
		{At: 9 * time.Second, Kind: history.Cut, Nodes: []uint32{2}},
		{At: 12 * time.Second, Kind: history.Heal},
	}}
}

// Failover is a run of three nodes with a server each: the primary is killed and comes
// back, then the next one is cut off and comes back.
func Failover() (*history.History, error) { return Run(FailoverOptions()) }

// FailoverOptions are those of Failover.
func FailoverOptions() Options {
	return Options{Nodes: 3, Duration: 26 * time.Second, Every: 400 * time.Millisecond, Seed: 7, Servers: true, Script: []Event{
		{At: 7 * time.Second, Kind: history.Down, Nodes: []uint32{1}},
		{At: 12 * time.Second, Kind: history.Up, Nodes: []uint32{1}},
		{At: 16 * time.Second, Kind: history.Cut, Nodes: []uint32{2}},
		{At: 21 * time.Second, Kind: history.Heal},
	}}
}

// Large is a run of five nodes with about 100,000 steps.
func Large() (*history.History, error) {
	o := Options{Nodes: 5, Duration: 130 * time.Second, Every: 33 * time.Millisecond, Loss: 2, Repeat: 2, Seed: 11}
	for at := 10 * time.Second; at < 120*time.Second; at += 20 * time.Second {
		victim := []uint32{uint32(at/(20*time.Second))%5 + 1}
		o.Script = append(o.Script,
			Event{At: at, Kind: history.Down, Nodes: victim}, Event{At: at + 5*time.Second, Kind: history.Up, Nodes: victim},
			Event{At: at + 10*time.Second, Kind: history.Cut, Nodes: victim}, Event{At: at + 14*time.Second, Kind: history.Heal})
	}
	return Run(o)
}
