package commits

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	a, b, c := row{0, 1}, row{0, 2}, row{1, 1}
	acked, unknown := map[row]bool{a: true, b: true}, map[row]bool{c: true}
	for _, x := range []struct {
		name  string
		there []row
		want  Found
		err   string // part of it; empty: none
	}{
		{"all there", []row{a, b}, Found{Acknowledged: 2, Rows: 2}, ""},
		{"unknown is there", []row{a, b, c}, Found{Acknowledged: 2, Rows: 3, Unknown: 1}, ""},
		{"lost", []row{b, c}, Found{Acknowledged: 2, Rows: 2, Unknown: 1, Lost: 1}, "1 acknowledged commits are lost"},
		{"twice", []row{a, b, b}, Found{Acknowledged: 2, Rows: 3, Twice: 1}, "1 commits are there twice"},
		{"unknown twice", []row{a, b, c, c}, Found{Acknowledged: 2, Rows: 4, Unknown: 1, Twice: 1}, "twice"},
		{"strange", []row{a, b, {7, 7}}, Found{Acknowledged: 2, Rows: 3, Strange: 1}, "written by nobody"},
	} {
		got := compare(x.there, acked, unknown)
		if got != x.want {
			t.Errorf("%s: %+v, want %+v", x.name, got, x.want)
		}
		err := got.Err()
		if x.err == "" && err != nil || x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)) {
			t.Errorf("%s: error %v, want %q", x.name, err, x.err)
		}
	}
}

func TestURL(t *testing.T) {
	const want = "postgres://postgres@127.0.0.1:1,127.0.0.1:2/postgres?sslmode=disable&connect_timeout=2&target_session_attrs=read-write"
	if got := New(1, "127.0.0.1:1", "127.0.0.1:2").URL(); got != want {
		t.Errorf("URL %s, want %s", got, want)
	}
}
