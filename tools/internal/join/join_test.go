package join

import (
	"strings"
	"testing"
	"time"
)

// A connection string is taken apart and put together; how one connects is without where to.
func TestConninfo(t *testing.T) {
	for text, want := range map[string]string{
		"host=10.0.0.1 port=5433 user=u dbname=d":                     "user=u host=h port=1",
		`user = 'a b' sslrootcert='/c d/it\'s.crt' host=x`:            `user='a b' sslrootcert='/c d/it\'s.crt' host=h port=1`,
		"postgres://u@db1.example.org:5433/d?sslmode=verify-full":     "user=u sslmode=verify-full host=h port=1",
		"passfile=/etc/p application_name=x target_session_attrs=any": "passfile=/etc/p host=h port=1",
		"": "host=h port=1",
	} {
		c, err := parseConninfo(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := c.at("h", "1").String(); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"host=x password=secret":          "passfile",
		"postgres://u:secret@x/d":         "passfile",
		"host":                            "no \"=\" after \"host\"",
		"user='a":                         "its quote is not closed",
		"postgres://u:secret@x:bad port/": "no URI that can be read",
	} {
		if _, err := parseConninfo(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestListens(t *testing.T) {
	for primarys, want := range map[string]string{"*": "*", "localhost, 0.0.0.0": "localhost, 0.0.0.0", "10.0.0.1": "10.0.0.2", "localhost,10.0.0.1": "localhost, 10.0.0.2", "": "10.0.0.2"} {
		if got := listens(primarys, "10.0.0.2"); got != want {
			t.Errorf("the primary listens to %q, and this server to %q, want %q", primarys, got, want)
		}
	}
}

func TestProgressText(t *testing.T) {
	for _, c := range []struct {
		done, all int64
		took      time.Duration
		want      string
	}{
		{25 << 20, 100 << 20, 10 * time.Second, "25 MB of 100 MB copied, 25%, 30s left"},
		{100 << 20, 100 << 20, 10 * time.Second, "100 MB of 100 MB copied, 100%"},
		{0, 64 << 30, 10 * time.Second, "0 kB of 64 GB copied, 0%"},
		{5 << 10, 0, 10 * time.Second, "5 kB of 5 kB copied, 100%"},
	} {
		if got := progressText(c.done, c.all, c.took); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.done, c.all, got, c.want)
		}
	}
}
