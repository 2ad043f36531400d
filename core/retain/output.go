package retain

// Output is what the host has to do, in the order of its fields. Messages to other
// members leave before that.
type Output struct {
	// Retain, when not nil, is the first index from which on the log store keeps all
	// entries, whatever its limits say; 0: the limits alone decide. It is said when
	// it changes; until the first one the host keeps all entries.
	Retain *uint64
	// Read are orders to read the log store. The host answers each with a
	// core.HistoryRead.
	Read []Read
	// Export are tickets: for each the host has its database exported, one at a
	// time, and answers with a core.Exported. It holds the bytes for SendPart.
	Export []uint64
	// Drop are tickets whose bytes nobody asks for any more.
	Drop []uint64
	// SendPart are parts of an exported state to send.
	SendPart []SendPart
	// Fetched answers core.FetchHistory; StatePart is for whoever asked with
	// core.FetchState.
	Fetched   []Fetched
	StatePart []StatePart
}

// Read is an order to read the committed entries from After+1 to Last, but to end
// with the one that brings their data to MaxBytes or over it.
type Read struct {
	Ticket      uint64
	For         uint64 // Raft id of who asks
	After, Last uint64
	MaxBytes    uint64
}

// SendPart is an order to send Size bytes from Offset on of the exported state
// Ticket to a member: core.PartMessage makes the message.
type SendPart struct {
	To     uint64 // Raft id
	Ticket uint64
	Offset uint64 // bytes
	Size   uint64 // bytes
	Total  uint64 // bytes of the whole state
}

// Fetched is what came of one core.FetchHistory. Without entries: nobody that
// answered has the first of them, and the members in Silent did not answer.
type Fetched struct {
	ID      uint64
	Entries []Entry  // they follow the index that was asked for without gap
	Silent  []uint64 // Raft ids
	// First, without entries, is the least index behind the one that was asked for at
	// which a member's log may go on: what is before it is gone. 0: nobody answered.
	First uint64
}

// Entry is a committed entry as who applies the log reads it.
type Entry struct {
	Index, Term uint64
	Data        []byte // the user's; nil for an entry of Raft's own
	Own         bool   // Raft's own
}

// StatePart is a part of a member's exported state. A part at Offset 0 begins the
// state anew: what came before it is of another member, or of another export. The
// reply to the FetchState follows the last part; if it is not OK there is no state.
type StatePart struct {
	ID     uint64
	From   uint64 // Raft id
	Offset uint64 // bytes
	Total  uint64 // bytes of the whole state
	Data   []byte
}

// Empty says that there is nothing to do.
func (o *Output) Empty() bool {
	return o.Retain == nil && len(o.Read)+len(o.Export)+len(o.Drop)+len(o.SendPart)+len(o.Fetched)+len(o.StatePart) == 0
}
