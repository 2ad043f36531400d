package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrTLSFiles wraps what is wrong with the files of a TLSFiles. Once that is put
// right, they can be tried again.
var ErrTLSFiles = errors.New("TLS is on")

// TLSFiles are what a node proves itself with, in PEM. CA holds the certificates
// of those who may sign nodes' certificates.
type TLSFiles struct{ Cert, Key, CA string }

// TLS is mutual TLS 1.3 between nodes. Both ends show a certificate, signed by
// the CA, for the address that the cluster knows the node by or for its name,
// see NodeName. Safe for concurrent use.
type TLS struct {
	current atomic.Pointer[credentials]
}

// credentials belong together and are exchanged together.
type credentials struct {
	cert    tls.Certificate
	between []*x509.Certificate // between cert and the CA
	ca      *x509.CertPool
	caPEM   []byte
	expiry  time.Time // see TLS.Expiry
}

// LoadCertificate reads a certificate and its key alone, for who shows them to anybody.
func LoadCertificate(f TLSFiles) (*tls.Certificate, error) {
	for _, x := range []struct{ setting, path, kind string }{{"ssl_cert_file", f.Cert, certificateKind}, {"ssl_key_file", f.Key, keyKind}} {
		if x.path == "" {
			return nil, fmt.Errorf("%w, but pgraft.%s is not set", ErrTLSFiles, x.setting)
		}
		if _, err := readPEM(x.path, x.kind); err != nil {
			return nil, fmt.Errorf("%w, but pgraft.%s %s: %w", ErrTLSFiles, x.setting, x.path, err)
		}
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("%w, but pgraft.ssl_cert_file %s with pgraft.ssl_key_file %s: %w", ErrTLSFiles, f.Cert, f.Key, err)
	}
	return &cert, nil
}

// NodeName is the DNS name by which a certificate can be for a node whatever its
// address.
func NodeName(nodeID uint32) string { return fmt.Sprintf("pgraft-node-%d", nodeID) }

// LoadTLS reads the files. The error wraps ErrTLSFiles and says which one is
// wrong, and how. A certificate that has expired is taken: the others refuse
// it, and say so. Ask Valid.
func LoadTLS(f TLSFiles) (*TLS, error) {
	c, err := readCredentials(f)
	if err != nil {
		return nil, err
	}
	t := &TLS{}
	t.current.Store(c)
	return t, nil
}

// Reload reads all files anew, for connections made from now on; changed says
// whether they hold anything new. On an error, also that the certificate has
// expired, those read before stay in force.
func (t *TLS) Reload(f TLSFiles) (changed bool, err error) {
	c, err := readCredentials(f)
	if err != nil {
		return false, err
	}
	if err := inTime(c.cert.Leaf); err != nil {
		return false, fmt.Errorf("%w, but pgraft.ssl_cert_file %s: %w", ErrTLSFiles, f.Cert, err)
	}
	old := t.current.Swap(c)
	return !bytes.Equal(old.cert.Leaf.Raw, c.cert.Leaf.Raw) || !bytes.Equal(old.caPEM, c.caPEM), nil
}

// Leaf is this node's own certificate.
func (t *TLS) Leaf() *x509.Certificate { return t.current.Load().cert.Leaf }

// Expiry is when the first certificate of the chain from this node's own to its
// CA expires: from then on it is refused.
func (t *TLS) Expiry() time.Time { return t.current.Load().expiry }

// Valid says what others will not like about this node's own certificate.
func (t *TLS) Valid() error {
	c := t.current.Load()
	return c.verify(c.cert.Leaf, c.between)
}

func readCredentials(f TLSFiles) (*credentials, error) {
	bad := func(setting, path string, err error) error {
		return fmt.Errorf("%w, but pgraft.%s %s: %w", ErrTLSFiles, setting, path, err)
	}
	files := []struct {
		setting, path, kind string
		pem                 []byte
	}{
		{"ssl_cert_file", f.Cert, certificateKind, nil}, {"ssl_key_file", f.Key, keyKind, nil}, {"ssl_ca_file", f.CA, certificateKind, nil},
	}
	for i, x := range files {
		if x.path == "" {
			return nil, fmt.Errorf("%w, but pgraft.%s is not set", ErrTLSFiles, x.setting)
		}
		var err error
		if files[i].pem, err = readPEM(x.path, x.kind); err != nil {
			return nil, bad(x.setting, x.path, err)
		}
	}
	cert, err := tls.X509KeyPair(files[0].pem, files[1].pem)
	if err != nil {
		return nil, bad("ssl_cert_file", f.Cert+" with pgraft.ssl_key_file "+f.Key, err)
	}
	c := &credentials{cert: cert, ca: x509.NewCertPool(), caPEM: files[2].pem}
	if !c.ca.AppendCertsFromPEM(c.caPEM) {
		return nil, bad("ssl_ca_file", f.CA, errors.New("no certificate in it can be read"))
	}
	for _, der := range cert.Certificate[1:] {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, bad("ssl_cert_file", f.Cert, err)
		}
		c.between = append(c.between, x)
	}
	if c.expiry, err = c.ownExpiry(); err != nil {
		return nil, bad("ssl_cert_file", f.Cert+" by the CA in pgraft.ssl_ca_file "+f.CA, err)
	}
	return c, nil
}

// What a file is to hold.
const (
	certificateKind = "certificate"
	keyKind         = "private key"
)

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return nil, inner.Err // the caller says the path
	}
	if err == nil && kind == keyKind {
		err = private(path)
	}
	if err != nil {
		return nil, err
	}
	for rest := data; ; {
		var b *pem.Block
		b, rest = pem.Decode(rest)
		switch {
		case b == nil:
			return nil, fmt.Errorf("there is no %s in it, in PEM", kind)
		case kind == certificateKind && b.Type == "CERTIFICATE":
			return data, nil
		case kind == keyKind && (strings.HasPrefix(b.Type, "ENCRYPTED") || b.Headers["DEK-Info"] != ""):
			return nil, errors.New("the key has a passphrase, and nobody is there to give it")
		case kind == keyKind && strings.HasSuffix(b.Type, "PRIVATE KEY"):
			return data, nil
		}
	}
}

// private wants what PostgreSQL wants of its own key: a file of the server's
// user that nobody else reads, or one of root that a group may read.
func private(path string) error {
	s, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !s.Mode().IsRegular() {
		return errors.New("this is not a file")
	}
	owner, ok := s.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	allowed := fs.FileMode(0o600)
	switch int(owner.Uid) {
	case os.Geteuid():
	case 0:
		allowed = 0o640
	default:
		return errors.New("it must belong to the user that the server runs as, or to root")
	}
	const execute = 0o100 // by the owner: PostgreSQL does not mind
	if s.Mode().Perm()&^(allowed|execute) != 0 {
		return fmt.Errorf("its mode is %04o, so that others may use the key: run chmod %04o on it", s.Mode().Perm(), allowed)
	}
	return nil
}

// ownExpiry checks that the CA signed this node's certificate, whether or not it
// is valid now, and says when the first of the chain expires.
func (c *credentials) ownExpiry() (last time.Time, err error) {
	var chains [][]*x509.Certificate
	leaf := c.cert.Leaf
	for _, at := range []time.Time{time.Now(), leaf.NotAfter, leaf.NotBefore} {
		if chains, err = c.chains(leaf, c.between, at); err == nil {
			break
		}
	}
	if err != nil {
		return last, err
	}
	for _, chain := range chains {
		first := leaf.NotAfter
		for _, x := range chain {
			if x.NotAfter.Before(first) {
				first = x.NotAfter
			}
		}
		if first.After(last) { // of several chains one is enough
			last = first
		}
	}
	return last, nil
}

// chains are those from leaf to the CA, as of a time.
func (c *credentials) chains(leaf *x509.Certificate, more []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, x := range more {
		between.AddCert(x)
	}
	return leaf.Verify(x509.VerifyOptions{Roots: c.ca, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
}

// verify checks that the CA signed leaf and that it is valid now.
func (c *credentials) verify(leaf *x509.Certificate, more []*x509.Certificate) error {
	if err := inTime(leaf); err != nil {
		return err
	}
	_, err := c.chains(leaf, more, time.Now())
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		return inTime(invalid.Cert)
	}
	return err
}

// timeLayout of what is said of certificates, in UTC.
const timeLayout = "2006-01-02 15:04:05+00"

// inTime says when a certificate was or will be valid, and not the time of the
// attempt, as package x509 does: so that a log line that says the same is known
// as such.
func inTime(cert *x509.Certificate) error {
	now := time.Now()
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("the certificate of %q expired at %s", cert.Subject.CommonName, cert.NotAfter.UTC().Format(timeLayout))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("the certificate of %q is not valid before %s: look at this machine's clock",
			cert.Subject.CommonName, cert.NotBefore.UTC().Format(timeLayout))
	}
	return nil
}
