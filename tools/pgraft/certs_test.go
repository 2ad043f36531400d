package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
)

// What certs makes is what a node loads, also when it is run again.
func TestCerts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	out, _, err := pgraft(t, "certs", "--dir", dir, "1=127.0.0.1", "2=db2.example.org,10.0.0.2,::1")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, out, "made a certificate authority", "pgraft.ssl_key_file = 'pgraft-node-2.key'", filepath.Join(dir, "pgraft-node-2.key"))
	load := func(name string) *transport.TLS {
		c, err := transport.LoadTLS(transport.TLSFiles{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.crt")})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := load("pgraft-node-1"), load("pgraft-node-2")
	for _, host := range []string{"127.0.0.1", "pgraft-node-1"} {
		if err := one.Leaf().VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	for _, host := range []string{"db2.example.org", "10.0.0.2", "::1"} {
		if err := two.Leaf().VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if err := two.Leaf().VerifyHostname("pgraft-node-1"); err == nil {
		t.Error("node 2 could pass for node 1")
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := pgraft(t, "certs", "--dir", dir, "1=127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || string(again) != string(ca) {
		t.Errorf("another authority: %v", err)
	}
	if load("pgraft-node-1").Leaf().SerialNumber.Cmp(one.Leaf().SerialNumber) == 0 {
		t.Error("the certificate was not renewed")
	}
}

// What certs prints works as it is: the files that it names, copied into a data
// directory, and the lines for postgresql.conf, which name them from there.
func TestCertsNextSteps(t *testing.T) {
	out, _, err := pgraft(t, "certs", "--dir", filepath.Join(t.TempDir(), "new"), "--days", "20", "3=db3.example.org")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, out, "# node 3, for db3.example.org, valid until "+time.Now().Add(20*day).UTC().Format("2006-01-02"))
	dataDir, copied := t.TempDir(), 0
	settings := map[string]string{}
	for line := range strings.Lines(out) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "#   "):
			for _, path := range strings.Fields(line)[1:] {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dataDir, filepath.Base(path)), data, 0o600); err != nil {
					t.Fatal(err)
				}
				copied++
			}
		case line != "" && !strings.HasPrefix(line, "#"):
			name, value, _ := strings.Cut(line, " = ")
			settings[name] = strings.Trim(value, "'")
		}
	}
	file := func(name string) string { return filepath.Join(dataDir, settings["pgraft.ssl_"+name+"_file"]) }
	c, err := transport.LoadTLS(transport.TLSFiles{Cert: file("cert"), Key: file("key"), CA: file("ca")})
	if err != nil || copied != 3 || len(settings) != 4 || settings["pgraft.ssl_enabled"] != "on" {
		t.Fatalf("%v; %d files, settings %v of\n%s", err, copied, settings, out)
	}
	if left := time.Until(c.Expiry()); left > 20*day || left < 19*day {
		t.Errorf("valid for %v", left)
	}
}

// A mistake is named, with what is wanted, and nothing is written.
func TestCertsMistakes(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "new")
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"certs", "1=127.0.0.1"}, []string{`required flag(s) "dir" not set`}},
		{[]string{"certs", "--dir", dir}, []string{"requires at least 1 arg"}},
		{[]string{"certs", "--dri", dir, "1=127.0.0.1"}, []string{"unknown flag: --dri"}},
		{[]string{"certs", "--dir", dir, "127.0.0.1"}, []string{`"127.0.0.1": want ID=ADDRESS`}},
		{[]string{"certs", "--dir", dir, "1="}, []string{"no host name and no IP address"}},
		{[]string{"certs", "--dir", dir, "1=a b"}, []string{`"a b" is no host name`}},
		{[]string{"certs", "--dir", dir, "1=10.0.0.1:7001"}, []string{`"10.0.0.1:7001" has a port`}},
		{[]string{"certs", "--dir", dir, "1=127.0.0.1", "0=127.0.0.1"}, []string{`"0=127.0.0.1"`}},
		{[]string{"certs", "--dir", dir, "1=127.0.0.1", "1=db1"}, []string{"node 1 is named twice", "1=ADDRESS,ADDRESS"}},
		{[]string{"certs", "--dir", dir, "--days", "0", "1=127.0.0.1"}, []string{"--days 0: want 1 to 3650"}},
		{[]string{"certs", "--dir", dir, "--days", "many", "1=127.0.0.1"}, []string{"invalid argument", "--days"}},
	} {
		out, errOut, err := pgraft(t, c.args...)
		if err == nil || out != "" {
			t.Errorf("%q: error %v, output %q", c.args, err, out)
		}
		wantAll(t, errOut, c.words...)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a mistake left %s: %v", dir, err)
	}
	// A directory that is there is used; what is no authority is left alone.
	if _, _, err := pgraft(t, "certs", "--dir", top, "1=127.0.0.1"); err != nil {
		t.Errorf("a directory that is there: %v", err)
	}
	key := filepath.Join(top, "ca.key")
	other, _, err := certs.Open(filepath.Join(top, "other"), "other", time.Hour)
	if err != nil || other == nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(top, "other", "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  []byte // nil: none
		want string
	}{{nil, "holds a CA without its key"}, {[]byte("x"), "no PEM"}, {foreign, "do not belong together"}} {
		if err := os.RemoveAll(key); err != nil {
			t.Fatal(err)
		}
		if c.key != nil {
			if err := os.WriteFile(key, c.key, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, errOut, err := pgraft(t, "certs", "--dir", top, "2=127.0.0.1")
		if err == nil {
			t.Errorf("%s: no error", c.want)
		}
		wantAll(t, errOut, c.want)
	}
	if _, err := os.Stat(filepath.Join(top, "pgraft-node-2.crt")); !os.IsNotExist(err) {
		t.Errorf("a certificate of no authority: %v", err)
	}
	if _, errOut, err := pgraft(t, "certs", "--dir", key, "1=127.0.0.1"); err == nil {
		t.Errorf("a file for a directory: %s", errOut)
	}
}

func TestCertsHelp(t *testing.T) {
	out, errOut, err := pgraft(t, "certs", "--help")
	if err != nil || errOut != "" {
		t.Errorf("%v, standard error %q", err, errOut)
	}
	wantAll(t, out, "Examples:", "ID=ADDRESS", "--days", "--dir directory", "pg_reload_conf")
}
