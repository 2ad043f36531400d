package web

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
)

// With TLS a certificate is shown, the newest that was read, and nothing is answered without. A
// wrong file leaves in force what was read before.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.New("test CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	issue := func() certs.Files {
		f, err := ca.Node(dir, transport.NodeName(1), []string{"127.0.0.1"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := issue()
	l := Listen{Address: "127.0.0.1:0", TLS: &transport.TLSFiles{Cert: f.Cert, Key: f.Key}}
	s, _ := open(t, l, nil)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	shown := func() (serial string) {
		t.Helper()
		client := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "https://"+s.Addr().String()+"/liveness", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("/liveness answers %d", res.StatusCode)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := shown()
	if code, body := ask(t, "GET", "http://"+s.Addr().String()+"/liveness"); code != http.StatusBadRequest || !strings.Contains(body, "HTTPS") {
		t.Errorf("without TLS it answers %d: %s", code, body)
	}
	issue()
	if err := s.Open(l); err != nil {
		t.Fatal(err)
	}
	second := shown()
	if second == first {
		t.Error("the certificate of before is shown")
	}
	if err := os.WriteFile(f.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(l); err == nil || !strings.Contains(err.Error(), "pgraft.ssl_cert_file "+f.Cert) {
		t.Errorf("a wrong file: %v", err)
	}
	if shown() != second {
		t.Error("another certificate is shown")
	}
}
