package main

// cutMutants have a host carry out the acts of an order in another order. That is seen only
// where the engine ends between two of them.
var cutMutants = []mutant{
	{
		name: "noted-after-the-promotion", class: "failover", failover: true, doc: "the timeline that a server is promoted to is noted once that was asked for",
		edits: []edit{{"core/failover/host/obey.go", "	return []Act{NoteData{d}, EndSessions{}, ResumeReplay{}, Promote{o.Epoch, t}}\n", "	return []Act{EndSessions{}, ResumeReplay{}, Promote{o.Epoch, t}, NoteData{d}}\n"}},
	},
	{
		name: "streams-before-its-notes", class: "failover", failover: true, doc: "a follower notes whose WAL it takes once it streams that",
		edits: []edit{{"core/failover/host/obey.go", "	return append(acts, NoteData{d}, Stream{o.Primary, o.Address, o.Token})\n", "	return append(acts, Stream{o.Primary, o.Address, o.Token}, NoteData{d})\n"}},
	},
	{
		name: "noted-before-its-history", class: "failover", failover: true, doc: "a follower notes timelines before it has their history files",
		edits: []edit{{"core/failover/host/obey.go", "	return append(acts, NoteData{d}, Stream{o.Primary, o.Address, o.Token})\n", "	return append([]Act{NoteData{d}}, append(acts, Stream{o.Primary, o.Address, o.Token})...)\n"}},
	},
	{
		name: "released-store-last", class: "failover", failover: true, live: true, doc: "as failover is off, the data directory's note goes before the Raft store's",
		edits: []edit{{"core/failover/host/obey.go", "	return []Act{PutNames{}, NoteStore{n.Store}, NoteData{n.Data}}\n", "	return []Act{PutNames{}, NoteData{n.Data}, NoteStore{n.Store}}\n"}},
	},
}
