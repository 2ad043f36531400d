package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgraft/pgraft/node/transport"
)

// What certs makes is what a node loads, also when it is run again.
func TestCerts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	out, _, err := pgraft(t, "certs", "--dir", dir, "1=127.0.0.1", "2=db2.example.org")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, out, "made a certificate authority", "pgraft.ssl_key_file = '"+filepath.Join(dir, "pgraft-node-2.key")+"'")
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
	if err := two.Leaf().VerifyHostname("db2.example.org"); err != nil {
		t.Error(err)
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

func TestCertsMistakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for _, args := range [][]string{
		{"certs", "1=127.0.0.1"},
		{"certs", "--dir", dir},
		{"certs", "--dir", dir, "127.0.0.1"},
		{"certs", "--dir", dir, "1=127.0.0.1", "0=127.0.0.1"},
		{"certs", "--dir", dir, "--days", "0", "1=127.0.0.1"},
	} {
		if _, errOut, err := pgraft(t, args...); err == nil || errOut == "" {
			t.Errorf("%q: error %v", args, err)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a mistake left %s: %v", dir, err)
	}
}
