package standalone

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// A server that is started without pgraft keeps its other libraries.
func TestLibraries(t *testing.T) {
	for libraries, want := range map[string]string{
		"pgraft":                                 "",
		"pg_stat_statements, pgraft":             "pg_stat_statements",
		`"$libdir/pgraft", auto_explain`:         "auto_explain",
		"pgraft.so,pg_stat_statements,pgraftish": "pg_stat_statements,pgraftish",
	} {
		if got := others(libraries); got != want {
			t.Errorf("of %s there is %q left, want %q", libraries, got, want)
		}
	}
	for libraries, want := range map[string]string{"pgraft": "'pgraft'", "a, pgraft": "'a', 'pgraft'", "a": "'a', 'pgraft'"} {
		if got := quoted(libraries); got != want {
			t.Errorf("%s comes back by %s, want %s", libraries, got, want)
		}
	}
}

func TestOpts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "postmaster.opts", "/usr/lib/postgresql/15/bin/postgres \"-D\" \"/var/lib/x\" \"-c\" \"config_file=/etc/a b's.conf\"\n")
	o, err := readOpts(dir)
	if err != nil || o.postgres != "/usr/lib/postgresql/15/bin/postgres" || !slices.Equal(o.args, []string{"-c", "config_file=/etc/a b's.conf"}) {
		t.Errorf("it was started by %+v, %v", o, err)
	}
	if got, want := o.line(), `'-c' 'config_file=/etc/a b'\''s.conf'`; got != want {
		t.Errorf("a shell gets %s, want %s", got, want)
	}
}

// What is said to be lost depends on what the server has heard of.
func TestTells(t *testing.T) {
	control := map[string]string{"Database cluster state": "in production", "Latest checkpoint location": "0/3000060"}
	data := host.Data{Joined: true, Sealed: 4, Notes: []failover.Note{{Timeline: 1, Epoch: 2}, {Timeline: 3, Epoch: 4}}}
	store := host.Store{Joined: true, Floor: failover.Position{Epoch: 4, LSN: 0x5000148}}
	behind, doubted := data, data
	behind.Sealed, doubted.Doubt = 6, failover.DoubtBelow
	for _, c := range []struct {
		f    found
		says []string
	}{
		{found{clusterID: "orders", data: &data, store: &store, control: control}, []string{"timeline                3\n", "epoch of its WAL        4\n", "last known epoch        4", "0/5000148, of epoch 4",
			"acknowledged in epoch 4 that has not come here"}},
		{found{data: &behind, store: &store, control: control}, []string{"last known epoch        6", "acknowledged in epoch 5 or later"}},
		{found{data: &doubted, control: control}, []string{"0/3000060, its last checkpoint", "its WAL ends before a place that it had on disk", "its Raft store is gone or damaged"}},
		{found{data: &host.Data{Joined: true, JoinedOn: 1}, control: control}, []string{"epoch of its WAL        that in which failover was enabled",
			"all that another server has acknowledged, and that has not come here"}},
		{found{dataFault: os.ErrInvalid, control: control}, []string{"nobody knows what: file \"pgraft.failover\" is damaged"}},
	} {
		var out bytes.Buffer
		c.f.tells(&out, "/data")
		for _, text := range c.says {
			if !strings.Contains(out.String(), text) {
				t.Errorf("it does not say %q:\n%s", text, out.String())
			}
		}
	}
}

// Nothing is done with what is no data directory, or has pages of two servers.
func TestRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	refuses := func(why string) {
		t.Helper()
		err := Run(Options{DataDir: dir, In: strings.NewReader(""), Out: &bytes.Buffer{}})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("it says %v, and not %q", err, why)
		}
	}
	refuses("is no data directory of PostgreSQL")
	write(t, dir, "PG_VERSION", "15\n")
	write(t, dir, "global/pg_control", "x")
	if os.Getuid() == 0 {
		refuses("and not as root")
		return
	}
	write(t, dir, "../data"+host.MarkerSuffix, "")
	refuses("it may be of two servers")
	if err := os.Remove(dir + host.MarkerSuffix); err != nil {
		t.Fatal(err)
	}
	refuses("how the server was started last")
	write(t, dir, "postmaster.opts", "/nowhere/postgres\n")
	refuses("takes no part in failover")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
