package host

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
)

// A token, and who has none yet, as names that PostgreSQL compares. It cuts off an
// application_name at 63 bytes, and compares it to synchronous_standby_names without case: four
// numbers of 64 bits fit in with digits to the base of 36.
const (
	namePrefix   = "pgraft-"
	nobodyPrefix = "pgraft-nobody-"
	nameBase     = 36
)

// TokenName is what a follower calls itself, and what the names of its primary hold.
func TokenName(t failover.Token) string {
	return namePrefix + number(t.Epoch) + "-" + number(t.Boot) + "-" + number(t.Member) + "-" + number(t.Follow)
}

// TokenOf reads TokenName; false: the name is no token's.
func TokenOf(name string) (t failover.Token, ok bool) {
	rest, _ := strings.CutPrefix(name, namePrefix)
	parts := strings.Split(rest, "-")
	if len(parts) != 4 {
		return failover.Token{}, false
	}
	for i, to := range []*uint64{&t.Epoch, &t.Boot, &t.Member, &t.Follow} {
		n, err := strconv.ParseUint(parts[i], nameBase, 64)
		if err != nil {
			return failover.Token{}, false
		}
		*to = n
	}
	if TokenName(t) != name {
		return failover.Token{}, false
	}
	return t, true
}

// StandbyNames are the members of a set in synchronous_standby_names. A placeholder, which is no
// token and which no standby is let in with, stands for each that is not announced.
func StandbyNames(n *failover.Names) (l []string) {
	for _, id := range n.Members {
		name := nobodyPrefix + number(id)
		if i := slices.IndexFunc(n.Tokens, func(t failover.Token) bool { return t.Member == id }); i >= 0 {
			name = TokenName(n.Tokens[i])
		}
		l = append(l, name)
	}
	return l
}

func number(n uint64) string { return strconv.FormatUint(n, nameBase) }
