package core

import "testing"

func TestRangeAgree(t *testing.T) {
	for _, x := range []struct {
		a, b Range
		want uint32
	}{
		{Range{1, 1}, Range{1, 1}, 1},
		{Range{1, 2}, Range{1, 1}, 1},
		{Range{1, 2}, Range{1, 3}, 2},
		{Range{2, 2}, Range{1, 2}, 2},
		{Range{2, 2}, Range{1, 1}, 0},
		{Range{3, 4}, Range{1, 2}, 0},
		{Range{1, 1}, Range{}, 0},
	} {
		if a, b := x.a.Agree(x.b), x.b.Agree(x.a); a != x.want || b != x.want {
			t.Errorf("%v and %v agree on %d and %d, want %d", x.a, x.b, a, b, x.want)
		}
	}
}

// Answers to heartbeats can come late, twice and from two lives of a member, each of
// another build. The newest round counts, and of two answers to it the older build.
func TestAnnouncementOfTwoLives(t *testing.T) {
	type answer struct {
		round  uint64
		newest uint32
	}
	for _, x := range []struct {
		name    string
		answers []answer
		want    uint32
	}{
		{"a build of before this was said", []answer{{1, 0}}, 1},
		{"upgraded", []answer{{1, 0}, {2, 2}}, 2},
		{"gone back", []answer{{1, 2}, {2, 0}}, 1},
		{"gone back, and an answer of before comes late", []answer{{2, 0}, {1, 2}}, 1},
		{"two lives answer one round", []answer{{2, 2}, {2, 0}}, 1},
		{"and the former one is late", []answer{{2, 0}, {2, 2}}, 1},
	} {
		var said announcement
		for _, a := range x.answers {
			said.hear(a.round, 10*a.round, a.newest)
		}
		if got := said.version; got != x.want {
			t.Errorf("%s: version %d, want %d", x.name, got, x.want)
		}
	}
}
