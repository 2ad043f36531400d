package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

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
	cert tls.Certificate
	ca   *x509.CertPool
}

// NodeName is the DNS name by which a certificate can be for a node whatever its
// address.
func NodeName(nodeID uint32) string { return fmt.Sprintf("pgraft-node-%d", nodeID) }

// LoadTLS reads the files. The error says which one is wrong, and how.
func LoadTLS(f TLSFiles) (*TLS, error) {
	t := &TLS{}
	if err := t.Reload(f); err != nil {
		return nil, err
	}
	return t, nil
}

// Reload reads all files anew, for connections made from now on. On an error
// those read before stay in force.
func (t *TLS) Reload(f TLSFiles) error {
	c, err := readCredentials(f)
	if err != nil {
		return err
	}
	t.current.Store(c)
	return nil
}

// Leaf is this node's own certificate.
func (t *TLS) Leaf() *x509.Certificate { return t.current.Load().cert.Leaf }

func readCredentials(f TLSFiles) (*credentials, error) {
	for _, x := range []struct{ setting, path string }{
		{"ssl_cert_file", f.Cert}, {"ssl_key_file", f.Key}, {"ssl_ca_file", f.CA},
	} {
		if x.path == "" {
			return nil, fmt.Errorf("transport: TLS needs pgraft.%s, which is empty", x.setting)
		}
	}
	if err := privateFile(f.Key); err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("transport: certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("transport: CA: %w", err)
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("transport: CA: no certificate in %s", f.CA)
	}
	c := &credentials{cert: cert, ca: ca}
	if err := c.verify(cert.Leaf, nil); err != nil {
		return nil, fmt.Errorf("transport: certificate %s by the CA in %s: %w", f.Cert, f.CA, err)
	}
	return c, nil
}

// privateFile wants what PostgreSQL wants of its own key: nobody else reads it.
// One that root owns may be readable by a group.
func privateFile(path string) error {
	s, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("transport: key: %w", err)
	}
	allowed := fs.FileMode(0o600)
	if st, ok := s.Sys().(*syscall.Stat_t); ok && st.Uid == 0 && os.Geteuid() != 0 {
		allowed = 0o640
	}
	if extra := s.Mode().Perm() &^ (allowed | 0o100); extra != 0 {
		return fmt.Errorf("transport: key %s has mode %04o: others may read it; make it %04o", path, s.Mode().Perm(), allowed)
	}
	return nil
}

// verify checks that the CA signed leaf and that it is valid now.
func (c *credentials) verify(leaf *x509.Certificate, chain []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, x := range chain {
		between.AddCert(x)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: c.ca, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// config is for one connection.
func (t *TLS) config() *tls.Config {
	c := t.current.Load()
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{c.cert},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // VerifyConnection does it, alike on both sides
		SessionTicketsDisabled: true, // so that every connection is checked by today's CA
		VerifyConnection: func(s tls.ConnectionState) error {
			return c.verify(s.PeerCertificates[0], s.PeerCertificates[1:])
		},
	}
}

// certifies says whether a certificate is for a node: by its name, or by one of
// the addresses.
func certifies(cert *x509.Certificate, nodeID uint32, addresses ...string) error {
	for _, name := range append(addresses, NodeName(nodeID)) {
		if name != "" && cert.VerifyHostname(name) == nil {
			return nil
		}
	}
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return fmt.Errorf("the certificate of %q is for %s, not for node %d at %s",
		cert.Subject.CommonName, strings.Join(names, ", "), nodeID, strings.Join(addresses, ", "))
}

// tlsError is an ErrTLS.
type tlsError string

func (e tlsError) Error() string        { return string(e) }
func (e tlsError) Is(target error) bool { return target == ErrTLS }

const (
	// errNeedsTLS: this node dials without TLS a node that wants it.
	errNeedsTLS = tlsError("it wants TLS: pgraft.ssl_enabled is on there and off here")
	// errNoTLS: this node speaks TLS, the other one does not.
	errNoTLS = tlsError("it speaks no TLS: pgraft.ssl_enabled is on here and off there")
	// errSpeaksTLS: the other one speaks TLS, this node does not.
	errSpeaksTLS = tlsError("it speaks TLS: pgraft.ssl_enabled is on there and off here")
)

// orAlert says it if err is the other end's refusal.
func orAlert(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // crypto/tls says so of an alert
		return tlsError("it refuses our certificate: " + op.Err.Error())
	}
	return err
}

// secure makes c a TLS connection if the transport uses TLS. The deadline of the
// handshake is set already.
func (c *conn) secure() error {
	t := c.t.cfg.TLS
	if t == nil {
		return nil
	}
	side := tls.Server
	if c.dialled {
		side = tls.Client
	}
	s := side(c.nc, t.config())
	err := s.Handshake()
	var header tls.RecordHeaderError
	if errors.As(err, &header) && strings.HasPrefix(magic, string(header.RecordHeader[:])) {
		if c.dialled {
			return errNoTLS
		}
		return errors.Join(errNoTLS, c.say(versionNeedsTLS))
	}
	if err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.use(s)
	c.state = new(s.ConnectionState())
	return nil
}

// peerCertificate is the other end's, nil without TLS.
func (c *conn) peerCertificate() *x509.Certificate {
	if c.state == nil {
		return nil
	}
	return c.state.PeerCertificates[0]
}

// TLSStat describes a connection's TLS; zero without.
type TLSStat struct {
	Version string // like "TLS 1.3"
	Cipher  string
	Subject string // of the other end's certificate
	Expiry  time.Time
}

func (c *conn) tlsStat() TLSStat {
	cert := c.peerCertificate()
	if cert == nil {
		return TLSStat{}
	}
	return TLSStat{Version: tls.VersionName(c.state.Version), Cipher: tls.CipherSuiteName(c.state.CipherSuite),
		Subject: cert.Subject.String(), Expiry: cert.NotAfter}
}

// closeWrite ends the stream in this direction.
func (c *conn) closeWrite() error {
	if s, ok := c.rw.(*tls.Conn); ok {
		return errors.Join(s.CloseWrite(), c.nc.CloseWrite())
	}
	return c.nc.CloseWrite()
}
