package retain

import "testing"

// What is kept follows what members say, and is ordered when it changes.
func TestNeeds(t *testing.T) {
	f := newFixture()
	f.pass(10).want(t, "") // no database: it says nothing
	f.says(2, 5, 0, 0)
	f.want(t, "")
	f.SetNeed(Need{From: 20}, f.a)
	f.want(t, "tell 2 20; tell 3 20; retain 1")
	f.says(3, 9, 0, 0)
	f.want(t, "retain 5")
	f.says(3, 9, 0, 0)
	f.want(t, "")
	f.says(9, 2, 0, 0) // no member
	f.want(t, "")
	f.pass(4).want(t, "")
	f.pass(1).want(t, "tell 2 20; tell 3 20")
	f.SetMembers([]uint64{1, 3})
	f.want(t, "retain 9")
	f.SetMembers([]uint64{1, 3, 2}) // a new one with that id is asked anew
	f.want(t, "retain 1")
	f.says(2, 0, 0, 0)
	f.want(t, "retain 9")
	f.SetNeed(Need{From: 20, Importable: true}, f.a)
	f.want(t, "tell 3 0; tell 2 0")
	f.says(3, 0, 0, 0)
	f.want(t, "retain 20")
}

// A message that comes late does not take the place of a newer one.
func TestNeedsLate(t *testing.T) {
	f := newFixture()
	f.SetNeed(Need{From: 20}, f.a)
	f.says(3, 30, 7, 1)
	f.says(2, 10, 7, 5)
	f.Take()
	f.says(2, 0, 7, 4)
	f.want(t, "")
	f.says(2, 8, 8, 1) // it was started anew
	f.want(t, "retain 8")
	f.says(2, 0, 7, 5)
	f.want(t, "")
	f.says(2, 9, 7, 6) // it was told before the new start, and comes after it
	f.want(t, "")
	f.says(2, 0, 8, 1)
	f.want(t, "")
	f.says(2, 15, 8, 2) // which of the two is the newer one is not known
	f.want(t, "retain 9")
	f.pass(11).want(t, "tell 2 20; tell 3 20; tell 2 20; tell 3 20")
	f.says(2, 16, 8, 3)
	f.want(t, "retain 16")
	f.says(2, 12, 0, 0) // of a build that does not number
	f.want(t, "retain 12")
}

// More lives than are remembered: what none of the others needs stays known.
func TestNeedsOfManyLives(t *testing.T) {
	f := newFixture()
	f.SetNeed(Need{From: 50}, f.a)
	f.says(3, 50, 7, 1)
	f.says(2, 10, 100, 1)
	f.Take()
	for i := uint64(1); i <= maxLives; i++ { // late copies of what earlier lives said
		f.says(2, 20+i, i, 1)
		f.want(t, "")
	}
	f.says(2, 0, maxLives+1, 1)
	f.want(t, "")
	f.says(2, 12, 100, 2)
	f.want(t, "retain 12")
}
