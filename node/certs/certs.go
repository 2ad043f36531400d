// Package certs makes a certificate authority and node certificates for a trial
// of TLS between nodes. A site that has a CA of its own uses that.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs nodes' certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// File names in the directory of an authority.
const (
	caCert = "ca.crt"
	caKey  = "ca.key"
)

// backdate lets clocks differ a little.
const backdate = 5 * time.Minute

// New makes an authority whose certificate is valid for so long.
func New(name string, validFor time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certs: key of the CA: %w", err)
	}
	c := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-backdate), NotAfter: time.Now().Add(validFor),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certs: CA: %w", err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("certs: CA: %w", err)
	}
	return &Authority{c, key}, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails (crypto/rand)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// Open reads the authority in dir, or makes one there. made says which.
func Open(dir, name string, validFor time.Duration) (a *Authority, made bool, err error) {
	certPEM, err := os.ReadFile(filepath.Join(dir, caCert))
	if errors.Is(err, os.ErrNotExist) {
		if a, err = New(name, validFor); err != nil {
			return nil, false, err
		}
		return a, true, a.write(dir)
	}
	if err != nil {
		return nil, false, fmt.Errorf("certs: %w", err)
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, caKey))
	if err != nil {
		return nil, false, fmt.Errorf("certs: %s holds a CA without its key, so it can sign nothing: %w", dir, err)
	}
	cb, _ := pem.Decode(certPEM)
	kb, _ := pem.Decode(keyPEM)
	if cb == nil || kb == nil {
		return nil, false, fmt.Errorf("certs: no PEM in %s or %s of %s", caCert, caKey, dir)
	}
	a = &Authority{}
	if a.cert, err = x509.ParseCertificate(cb.Bytes); err != nil {
		return nil, false, fmt.Errorf("certs: %s: %w", caCert, err)
	}
	if a.key, err = x509.ParseECPrivateKey(kb.Bytes); err != nil {
		return nil, false, fmt.Errorf("certs: %s: %w", caKey, err)
	}
	switch pub, ok := a.cert.PublicKey.(*ecdsa.PublicKey); {
	case !ok || !pub.Equal(a.key.Public()):
		return nil, false, fmt.Errorf("certs: %s and %s in %s do not belong together", caCert, caKey, dir)
	case time.Now().After(a.cert.NotAfter):
		return nil, false, fmt.Errorf("certs: the CA in %s expired at %s: make another in a new directory", dir, a.cert.NotAfter.UTC().Format(time.DateTime))
	}
	return a, false, nil
}

func (a *Authority) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("certs: %w", err)
	}
	return errors.Join(writePEM(filepath.Join(dir, caCert), "CERTIFICATE", a.cert.Raw, 0o644),
		writeKey(filepath.Join(dir, caKey), a.key))
}

// Files are where a certificate, its key and its authority's certificate are.
type Files struct{ Cert, Key, CA string }

// Node makes a certificate for a node, by the given host names and IP addresses,
// and writes it with its key into dir as name.crt and name.key.
func (a *Authority) Node(dir, name string, hosts []string, validFor time.Duration) (Files, error) {
	c := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-backdate), NotAfter: time.Now().Add(validFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	f := Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, caCert)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return f, fmt.Errorf("certs: key of %s: %w", name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		return f, fmt.Errorf("certs: certificate of %s: %w", name, err)
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), writePEM(f.CA, "CERTIFICATE", a.cert.Raw, 0o644),
		writePEM(f.Cert, "CERTIFICATE", der, 0o644), writeKey(f.Key, key)); err != nil {
		return f, fmt.Errorf("certs: %w", err)
	}
	return f, nil
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

// writePEM takes the place of an older file whole, so that a server that reads
// it meanwhile sees one or the other.
func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return errors.Join(os.Chmod(tmp, mode), os.Rename(tmp, path))
}

// Expiry is when the authority's certificate expires, and with it those that it
// has signed.
func (a *Authority) Expiry() time.Time { return a.cert.NotAfter }

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}
