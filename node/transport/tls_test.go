package transport

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node/certs"
)

// authority signs the certificates of a test.
func authority(t *testing.T) *certs.Authority {
	t.Helper()
	a, err := certs.New("test CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func nodeFiles(t *testing.T, a *certs.Authority, node uint32, validFor time.Duration, hosts ...string) TLSFiles {
	t.Helper()
	f, err := a.Node(t.TempDir(), NodeName(node), hosts, validFor)
	if err != nil {
		t.Fatal(err)
	}
	return TLSFiles(f)
}

func load(t *testing.T, f TLSFiles) *TLS {
	t.Helper()
	c, err := LoadTLS(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is for newNode.
func with(c *TLS) func(*fakeNode, *Config) {
	return func(_ *fakeNode, cfg *Config) { cfg.TLS = c }
}

func meet(a, b *fakeNode) {
	a.tr.SetPeers([]*corepb.Member{b.member()})
	b.tr.SetPeers([]*corepb.Member{a.member()})
}

// TestTLS: two nodes talk, and each knows whom it talks to. One has a
// certificate for its name, the other for its address.
func TestTLS(t *testing.T) {
	ca := authority(t)
	a := newNode(t, 1, with(load(t, nodeFiles(t, ca, 1, time.Hour, NodeName(1)))))
	b := newNode(t, 2, with(load(t, nodeFiles(t, ca, 2, time.Hour, "127.0.0.1"))))
	meet(a, b)
	a.send(raftID(2), "to two")
	b.send(raftID(1), "to one")
	b.waitGot(t, raftID(1), "to two")
	a.waitGot(t, raftID(2), "to one")
	large := strings.Repeat("x", 3<<20)
	a.send(raftID(2), large)
	b.waitGot(t, raftID(1), large)
	s := a.stat(raftID(2)).TLS
	if s.Version != "TLS 1.3" || s.Subject != "CN=pgraft-node-2" || s.Cipher == "" || time.Until(s.Expiry) > time.Hour || time.Until(s.Expiry) < time.Minute {
		t.Errorf("stat %+v", s)
	}
	w, err := a.tr.Probe(t.Context(), b.tr.Addr().String(), a.self.Hello(speaks, nil, 2))
	if err != nil || w.GetNode() != 2 {
		t.Errorf("probe: %v, %v", w, err)
	}
}

// TestTLSRefusals: what does not fit is said on both sides, and nothing gets
// through.
func TestTLSRefusals(t *testing.T) {
	ca := authority(t)
	good := func(node uint32) *TLS { return load(t, nodeFiles(t, ca, node, time.Hour, NodeName(node))) }
	// One that was valid when it was read.
	expired := load(t, nodeFiles(t, ca, 2, time.Second, NodeName(2)))
	waitFor(t, "the certificate to expire", func() bool { return time.Now().After(expired.Leaf().NotAfter) })
	// One that trusts node 1's CA, which has not signed its own certificate.
	foreign := nodeFiles(t, authority(t), 2, time.Hour, NodeName(2))
	trusted := nodeFiles(t, ca, 2, time.Hour).CA
	both, err := os.ReadFile(foreign.CA)
	if err != nil {
		t.Fatal(err)
	}
	more, err := os.ReadFile(trusted)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign.CA, append(both, more...), 0o644); err != nil {
		t.Fatal(err)
	}
	stranger := load(t, foreign)
	for _, x := range []struct {
		name       string
		one, two   *TLS
		onOne      string // in the log of node 1
		onTwo      string
		onlyDialed bool // node 2 dials; node 1 does not
	}{
		{"expired", good(1), expired, `its certificate is refused: the certificate of "pgraft-node-2" expired at `,
			`it refuses our certificate: the certificate of "pgraft-node-2" expired at `, false},
		{"another CA", good(1), load(t, nodeFiles(t, authority(t), 2, time.Hour, NodeName(2))),
			"its certificate is refused: x509: certificate signed by unknown authority", "its certificate is refused: x509: certificate signed by unknown authority", false},
		{"another CA, seen by who accepts", good(1), stranger, "its certificate is refused: x509: certificate signed by unknown authority",
			`it refuses our certificate, of "pgraft-node-2"; its log says why`, true},
		{"another node", good(1), load(t, nodeFiles(t, ca, 3, time.Hour, NodeName(3), "10.9.8.7")),
			"is for pgraft-node-3, 10.9.8.7, not for node 2 at 127.0.0.1", "is for pgraft-node-3, 10.9.8.7, not for node 2 at 127.0.0.1", false},
		{"plain text to TLS", good(1), nil, "it speaks no TLS", "pgraft.ssl_enabled is on there and off here", true},
		{"TLS to plain text", nil, good(2), "pgraft.ssl_enabled is on there and off here", "it speaks no TLS", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			a, b := newNode(t, 1, with(x.one)), newNode(t, 2, with(x.two))
			b.tr.SetPeers([]*corepb.Member{a.member()})
			if !x.onlyDialed {
				a.tr.SetPeers([]*corepb.Member{b.member()})
			}
			b.send(raftID(1), "hello")
			a.log.wait(t, x.onOne)
			b.log.wait(t, x.onTwo)
			if a.has(raftID(2), "hello") || a.stat(raftID(2)).Connected || b.stat(raftID(1)).Connected {
				t.Errorf("node 1 %+v, node 2 %+v", a.tr.Peers(), b.tr.Peers())
			}
		})
	}
}

// TestTLSFiles: a wrong file is named, with what is wrong. At a reload the old
// ones stay in force.
func TestTLSFiles(t *testing.T) {
	ca := authority(t)
	good := nodeFiles(t, ca, 1, time.Hour, NodeName(1))
	other := nodeFiles(t, authority(t), 1, time.Hour, NodeName(1))
	open := nodeFiles(t, ca, 1, time.Hour, NodeName(1))
	if err := os.Chmod(open.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := write("empty", "")
	broken := write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	secret := write("secret", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	c := load(t, good)
	before := c.Leaf()
	for _, x := range []struct {
		name  string
		files TLSFiles
		want  string
	}{
		{"no key set", TLSFiles{Cert: good.Cert, CA: good.CA}, "TLS is on, but pgraft.ssl_key_file is not set"},
		{"missing key", TLSFiles{good.Cert, good.Key + ".no", good.CA}, "pgraft.ssl_key_file " + good.Key + ".no: no such file"},
		{"missing CA", TLSFiles{good.Cert, good.Key, good.CA + ".no"}, "pgraft.ssl_ca_file " + good.CA + ".no: no such file"},
		{"readable key", open, "pgraft.ssl_key_file " + open.Key + ": its mode is 0644, so that others may use the key: run chmod 0600 on it"},
		{"a directory", TLSFiles{good.Cert, dir, good.CA}, "pgraft.ssl_key_file " + dir + ": is a directory"},
		{"key with a passphrase", TLSFiles{good.Cert, secret, good.CA}, "the key has a passphrase"},
		{"key of another certificate", TLSFiles{good.Cert, other.Key, good.CA}, "pgraft.ssl_cert_file " + good.Cert + " with pgraft.ssl_key_file " + other.Key + ": tls: private key does not match"},
		{"certificate and key exchanged", TLSFiles{good.Key, good.Cert, good.CA}, "there is no certificate in it"},
		{"certificate for a key", TLSFiles{good.Cert, write("cert", string(before.Raw)), good.CA}, "there is no private key in it"},
		{"empty certificate", TLSFiles{empty, good.Key, good.CA}, "pgraft.ssl_cert_file " + empty + ": there is no certificate in it"},
		{"empty CA", TLSFiles{good.Cert, good.Key, empty}, "pgraft.ssl_ca_file " + empty + ": there is no certificate in it"},
		{"broken CA", TLSFiles{good.Cert, good.Key, broken}, "pgraft.ssl_ca_file " + broken + ": no certificate in it can be read"},
		{"another CA", TLSFiles{good.Cert, good.Key, other.CA}, "by the CA in pgraft.ssl_ca_file " + other.CA + ": x509: certificate signed by unknown authority"},
	} {
		if _, err := LoadTLS(x.files); !errors.Is(err, ErrTLSFiles) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: error %v, want %q in it", x.name, err, x.want)
		}
		if _, err := c.Reload(x.files); !errors.Is(err, ErrTLSFiles) || c.Leaf() != before {
			t.Errorf("%s: reloaded, error %v", x.name, err)
		}
	}
	if changed, err := c.Reload(good); err != nil || changed {
		t.Errorf("the same again: changed %v, %v", changed, err)
	}
	if changed, err := c.Reload(nodeFiles(t, ca, 1, time.Hour, NodeName(1))); err != nil || !changed || c.Leaf() == before {
		t.Errorf("not reloaded: changed %v, %v", changed, err)
	}
}

// TestTLSExpired: a node starts with a certificate that has expired, since the
// others say so; a reload does not put one in place of a good one. A CA that
// expires first counts.
func TestTLSExpired(t *testing.T) {
	ca := authority(t)
	late := nodeFiles(t, ca, 1, -time.Minute, NodeName(1))
	c := load(t, late)
	if err := c.Valid(); err == nil || !strings.Contains(err.Error(), `the certificate of "pgraft-node-1" expired at `+c.Leaf().NotAfter.UTC().Format("2006-01-02")) {
		t.Errorf("valid: %v", err)
	}
	if _, err := c.Reload(nodeFiles(t, ca, 1, 2*time.Hour, NodeName(1))); err != nil || c.Valid() != nil {
		t.Fatal(err, c.Valid())
	}
	before := c.Leaf()
	if left := time.Until(c.Expiry()); left > time.Hour || left < time.Minute {
		t.Errorf("expires in %v, and the CA in 1 h", left)
	}
	if _, err := c.Reload(late); !errors.Is(err, ErrTLSFiles) || !strings.Contains(err.Error(), "expired at") || c.Leaf() != before {
		t.Errorf("reloaded, error %v", err)
	}
}

// TestTLSReload: another CA takes over while connections run on.
func TestTLSReload(t *testing.T) {
	old, next := authority(t), authority(t)
	one, two := load(t, nodeFiles(t, old, 1, time.Hour, NodeName(1))), load(t, nodeFiles(t, old, 2, time.Hour, NodeName(2)))
	a, b := newNode(t, 1, with(one)), newNode(t, 2, with(two))
	meet(a, b)
	a.send(raftID(2), "before")
	b.waitGot(t, raftID(1), "before")
	since := a.stat(raftID(2)).Since
	for node, c := range map[uint32]*TLS{1: one, 2: two} {
		if _, err := c.Reload(nodeFiles(t, next, node, time.Hour, NodeName(node))); err != nil {
			t.Fatal(err)
		}
	}
	a.send(raftID(2), "after")
	b.waitGot(t, raftID(1), "after")
	if s := a.stat(raftID(2)).Since; s != since {
		t.Errorf("connected since %v, and since %v after the reload", since, s)
	}
	c := newNode(t, 3, with(load(t, nodeFiles(t, next, 3, time.Hour, NodeName(3)))))
	c.tr.SetPeers([]*corepb.Member{a.member()})
	c.send(raftID(1), "from a new one")
	a.waitGot(t, raftID(3), "from a new one")
}
