package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

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
			if err := c.verify(s.PeerCertificates[0], s.PeerCertificates[1:]); err != nil {
				return tlsError("its certificate is refused: " + err.Error())
			}
			return nil
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
	return tlsError(fmt.Sprintf("the certificate of %q is for %s, not for node %d at %s",
		cert.Subject.CommonName, strings.Join(names, ", "), nodeID, strings.Join(addresses, ", ")))
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

// orAlert says it if err is the other end's refusal. An alert has no reason that
// can be relied upon, so this says what this end knows of it.
func (c *conn) orAlert(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" { // crypto/tls says so of an alert
		return err
	}
	own := c.t.cfg.TLS.Leaf()
	if late := inTime(own); late != nil {
		return tlsError("it refuses our certificate: " + late.Error())
	}
	return tlsError(fmt.Sprintf("it refuses our certificate, of %q; its log says why (%v)", own.Subject.CommonName, op.Err))
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
	s := side(c.rw, t.config())
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
	c.known.Store(true)
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
