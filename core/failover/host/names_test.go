package host

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

func TestTokenNames(t *testing.T) {
	most := ^uint64(0)
	for _, c := range []struct {
		token failover.Token
		name  string
	}{
		{failover.Token{}, "pgraft-0-0-0-0"},
		{failover.Token{Epoch: 35, Boot: 36, Member: 1<<32 | 2, Follow: 4}, "pgraft-z-10-1z141z6-4"},
		{failover.Token{Epoch: most, Boot: most, Member: most, Follow: most}, "pgraft-" + strings.Repeat("3w5e11264sgsf-", 3) + "3w5e11264sgsf"},
	} {
		if got := TokenName(c.token); got != c.name || len(got) > 63 {
			t.Errorf("%+v is called %q of %d bytes, want %q", c.token, got, len(got), c.name)
		}
		if got, ok := TokenOf(c.name); !ok || got != c.token {
			t.Errorf("%q is %+v, %v, want %+v", c.name, got, ok, c.token)
		}
	}
	for _, name := range []string{"", "walreceiver", "pgraft-", "pgraft-1-2-3", "pgraft-1-2-3-4-5", "pgraft-1-2-3-", "pgraft-1-2-3-04", "pgraft-1-2-3-+4", "pgraft-1-2-3-A",
		"pgraft-1-2-3-3w5e11264sgsg", "1-2-3-4", "pgraft-nobody-3", " pgraft-1-2-3-4"} {
		if got, ok := TokenOf(name); ok || got != (failover.Token{}) {
			t.Errorf("%q is taken for %+v", name, got)
		}
	}
}

func TestStandbyNames(t *testing.T) {
	n := failover.Names{W: 1, Members: []uint64{10, 11, 12}, Tokens: []failover.Token{{Epoch: 5, Boot: 9, Member: 11, Follow: 4}}}
	got := StandbyNames(&n)
	if want := []string{"pgraft-nobody-a", "pgraft-5-9-b-4", "pgraft-nobody-c"}; !slices.Equal(got, want) {
		t.Errorf("the names are %q, want %q", got, want)
	}
	if _, ok := TokenOf(got[0]); ok {
		t.Error("a placeholder is a token")
	}
}
