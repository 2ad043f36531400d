package core

import pb "go.etcd.io/raft/v3/raftpb"

// What this node asks of voters and lets its own vote be asked for. The library
// counts votes; before it sees a message, receiveRaft drops those that would break a
// promise or have a node elect that lost acknowledged data.

// elects says whether m asks for a vote or grants one.
func elects(m *pb.Message) bool {
	switch m.GetType() {
	case pb.MsgVote, pb.MsgPreVote:
		return true
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		return !m.GetReject()
	}
	return false
}

// electsAnother says whether m asks this node to break a promise. A vote for
// the target of a transfer does not: the leader gave its lease up for good
// before it sent TimeoutNow.
func (c *Core) electsAnother(m *pb.Message) bool {
	if m.GetType() != pb.MsgVote && m.GetType() != pb.MsgPreVote {
		return false
	}
	if string(m.GetContext()) == transferContext {
		return false
	}
	if c.now < c.promise.bootUntil {
		return true
	}
	return c.now < c.promise.until && m.GetFrom() != c.promise.to
}

// transferContext is how the library marks a vote request that a transfer
// caused (its campaignTransfer).
const transferContext = "CampaignTransfer"

// callForVotes holds a candidate's requests until its new term and its vote for
// itself are durable. The library sends them at once and only does not count its own
// vote. A candidate that the others elect, and that then crashes, would not remember the
// term and could win it a second time (testdata/core/vote_request_after_sync.txt).
func (c *Core) callForVotes(ms []*pb.Message) {
	if len(ms) > 0 {
		b := &c.storage.batches[len(c.storage.batches)-1] // the term and vote, of the same Ready
		b.responses = append(b.responses, ms...)
	}
}
