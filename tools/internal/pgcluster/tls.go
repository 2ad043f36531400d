package pgcluster

import (
	"path/filepath"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
)

// CAFile is one of the files of SetTLS, in the server's data directory.
const CAFile = "ca.crt"

// CertFile and KeyFile are the others.
func (s *Server) CertFile() string { return s.nodeName() + ".crt" }
func (s *Server) KeyFile() string  { return s.nodeName() + ".key" }

func (s *Server) nodeName() string { return transport.NodeName(uint32(s.NodeID)) }

// TLSSettings turn TLS on with the files of SetTLS.
func (s *Server) TLSSettings() map[string]string {
	return map[string]string{"pgraft.ssl_enabled": "on",
		"pgraft.ssl_cert_file": s.CertFile(), "pgraft.ssl_key_file": s.KeyFile(), "pgraft.ssl_ca_file": CAFile}
}

// SetTLS gives the server a new certificate by ca, for its address and for its
// node's name, and the settings to use it. It takes over the certificate at the
// next start or, if it uses TLS already, reload.
func (s *Server) SetTLS(ca *certs.Authority, validFor time.Duration) error {
	if err := s.PutCertificate(ca, validFor, s.place.Address, s.nodeName()); err != nil {
		return err
	}
	return s.Set(s.TLSSettings())
}

// PutCertificate writes a new certificate by ca for some hosts, with its key and
// the certificate of ca, into the server's data directory.
func (s *Server) PutCertificate(ca *certs.Authority, validFor time.Duration, hosts ...string) error {
	f, err := ca.Node(s.DataDir, s.nodeName(), hosts, validFor)
	if err != nil {
		return err
	}
	for _, path := range []string{f.Cert, f.Key, f.CA} {
		if err := s.cluster.account.own(path); err != nil {
			return err
		}
	}
	return nil
}

// File is the path of a file in the server's data directory.
func (s *Server) File(name string) string { return filepath.Join(s.DataDir, name) }
