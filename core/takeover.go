package core

// What a node does at its start with what it finds: its data directory, the identity
// in it, and a marker, a small file outside of it. The marker tells an emptied
// directory from a new node, and a copy that was started elsewhere from the member.
// testdata/core/takeover.txt shows the whole rule.

// Holds is what a data directory holds.
type Holds uint8

const (
	HoldsNothing Holds = iota // or there is no directory
	HoldsStore                // a log store, or what an initialisation that was cut short made of one
	HoldsOther                // files that no node has written
)

// Marker is what the file outside the data directory says: which replica was
// initialised here.
type Marker struct {
	NodeID      uint32
	ReplicaUUID [16]byte
	// Address (host:port) is what the node was reached at when it last ran; empty in
	// a marker of before it was kept.
	Address string
	// Former are the clusters that this replica recovered from lost quorums, oldest
	// first: see CheckProgress.
	Former []FormerCluster
}

// Marker is what the marker of a node says that is reached at address (host:port).
func (id Identity) Marker(address string, former []FormerCluster) Marker {
	return Marker{NodeID: id.NodeID, ReplicaUUID: id.ReplicaUUID, Address: address, Former: former}
}

// Found is what a node finds at its start.
type Found struct {
	Holds         Holds
	Identity      *Identity // in the store; nil if it has none
	Marker        *Marker   // nil if there is none
	MarkerDamaged bool      // there is one that cannot be read; what else is there was not looked at
}

// Takeover is what TakeOver decided. The host carries Steps out in their order, each
// durably, before it shows Identity to anyone.
type Takeover struct {
	Outcome StartOutcome
	// With StartRefused:
	Refusal StartRefusal
	Alarm   Alarm
	Passes  bool // the data may only be out of reach: the host tries again
	// With StartMember:
	Identity Identity
	Marker   Marker // the one that was found, or is to be written
	Steps    []StartStep
}

// StartOutcome is what becomes of a node that starts.
type StartOutcome uint8

const (
	StartUninitialised StartOutcome = iota // it has no data, and never had: it waits to be initialised
	StartMember                            // the directory is its own; Identity says whether it is still a member
	StartRefused                           // it touches nothing
)

// StartRefusal is why a start is refused.
type StartRefusal uint8

const (
	NotRefused         StartRefusal = iota
	DamagedMarker                   // the marker cannot be read
	OtherFiles                      // the directory holds something else, and no node was initialised here
	OtherFilesInstead               // the same, and one was
	DataGone                        // the directory is empty, and a node was initialised here
	IdentityGone                    // the store has no identity, and a node was initialised here
	OtherNode                       // the directory is that of another node id
	OtherReplicaMarked              // the marker describes another replica
	OtherAddress                    // the replica last ran at another address
)

// StartStep is something to make durable.
type StartStep uint8

const (
	StoreIdentity StartStep = iota // Takeover.Identity, in the log store
	WriteMarker                    // Takeover.Marker
	RemoveMarker
)

// TakeOver decides what a node does with what it finds at its start. self has the
// cluster id and the node id, and address (host:port) the address, that it is set to.
// Pure: the host carries it out.
//
// The name of a cluster may have changed: what it is known by is its uuid, and members
// that call it otherwise are refused.
func TakeOver(self Identity, address string, f Found) Takeover {
	switch {
	case f.MarkerDamaged:
		return Takeover{Outcome: StartRefused, Refusal: DamagedMarker}
	case f.Holds == HoldsOther && f.Marker != nil:
		return Takeover{Outcome: StartRefused, Refusal: OtherFilesInstead, Passes: true}
	case f.Holds == HoldsOther:
		return Takeover{Outcome: StartRefused, Refusal: OtherFiles}
	case f.Holds == HoldsNothing && f.Marker != nil:
		return Takeover{Outcome: StartRefused, Refusal: DataGone, Alarm: Wiped, Passes: true}
	case f.Identity == nil && f.Marker != nil:
		return Takeover{Outcome: StartRefused, Refusal: IdentityGone}
	case f.Identity == nil: // nothing, or an initialisation that can be repeated
		return Takeover{Outcome: StartUninitialised}
	case f.Identity.NodeID != self.NodeID:
		return Takeover{Outcome: StartRefused, Refusal: OtherNode, Alarm: OtherReplica}
	case f.Marker != nil && f.Marker.ReplicaUUID != f.Identity.ReplicaUUID:
		return Takeover{Outcome: StartRefused, Refusal: OtherReplicaMarked, Alarm: OtherReplica}
	case f.Marker != nil && f.Marker.Address != "" && f.Marker.Address != address:
		return Takeover{Outcome: StartRefused, Refusal: OtherAddress, Alarm: Copy}
	}
	return takeOverOwn(self, address, *f.Identity, f.Marker)
}

// takeOverOwn is TakeOver of a directory that is this node's.
func takeOverOwn(self Identity, address string, id Identity, marker *Marker) Takeover {
	t := Takeover{Outcome: StartMember}
	if id.ClusterID != self.ClusterID {
		id.ClusterID = self.ClusterID
		t.Steps = append(t.Steps, StoreIdentity)
	}
	t.Identity = id
	if marker != nil {
		t.Marker = *marker
	}
	switch {
	case id.Removed && marker != nil: // the removal was cut short; with its data gone too, this may be a new node
		t.Steps = append(t.Steps, RemoveMarker)
	case !id.Removed && t.Marker.Address == "":
		t.Marker = id.Marker(address, t.Marker.Former)
		t.Steps = append(t.Steps, WriteMarker)
	}
	return t
}
