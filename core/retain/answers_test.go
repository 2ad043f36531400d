package retain

import (
	"testing"

	"github.com/pgraft/pgraft/core/corepb"
)

// A late answer to what a gap lacks is none to a reader's question after the same index,
// and the other way round: each would say that there is nothing.
func TestAnswersOfAnotherKind(t *testing.T) {
	f := newFixture()
	f.SetNeed(Need{From: 5}, f.a)
	f.Fetch(1, 9, 20, f.a)
	f.Take()
	stored := &corepb.History{After: 9, First: 2, Stored: []*corepb.LogEntry{{Index: 10, Term: 1}}}
	f.Receive(2, &corepb.Envelope{Body: &corepb.Envelope_History{History: stored}}, f.a)
	f.want(t, "")
	f.answers(2, 9, 10)
	f.want(t, "fetched 1: 1 entries, silent []; done 1: 0")

	f.Installed(9, Gap{From: 10, To: 12, Low: 1, High: 1}, f.a)
	f.Take()
	read := &corepb.History{After: 9, First: 2, Entries: []*corepb.HistoryEntry{{Index: 10, Term: 1}}}
	f.Receive(2, &corepb.Envelope{Body: &corepb.Envelope_History{History: read}}, f.a)
	f.want(t, "")
	f.Receive(2, &corepb.Envelope{Body: &corepb.Envelope_History{History: stored}}, f.a)
	f.want(t, "fill 10 to 10")
}

// An answer that comes late, or twice, answers no other question than its own, of whatever
// kind both are (found/answer_to_the_other_question.txt).
func TestAnswersOfOtherQuestions(t *testing.T) {
	f := newFixture()
	f.SetNeed(Need{From: 5}, f.a)
	f.Take()
	asked := func() *corepb.HistoryRequest { return f.Take().Send[0].GetHistoryRequest() }
	none := func(from uint64, q *corepb.HistoryRequest) {
		f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_History{
			History: &corepb.History{After: 9, First: 2, Question: q.GetQuestion()}}}, f.a)
	}
	f.Installed(9, Gap{From: 10, To: 12, Low: 1, High: 1}, f.a)
	fill := asked()
	f.Fetch(1, 9, 20, f.a)
	none(2, fill)
	read := asked()
	if fill.GetQuestion() == 0 || read.GetQuestion() == 0 || read.GetQuestion() == fill.GetQuestion() {
		t.Fatalf("the questions are %v and %v", fill, read)
	}
	none(2, fill)
	f.want(t, "")
	none(2, read)
	none(3, asked()) // nobody else has it either: the first round is over
	f.Take()
	none(2, read)
	f.want(t, "")

	h := newFixture()
	h.Receive(3, &corepb.Envelope{Body: &corepb.Envelope_HistoryRequest{
		HistoryRequest: &corepb.HistoryRequest{After: 9, Question: 7}}}, h.a)
	h.HistoryRead(h.Take().Output.Read[0].Ticket, 2, func(bool) (*corepb.History, bool) { return &corepb.History{}, true })
	if got := h.Take().Send[0].GetHistory(); got.GetQuestion() != 7 {
		t.Errorf("the answer is %v", got)
	}
}
