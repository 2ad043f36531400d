//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A server answers on HTTP where its settings say, as of the last reload; where it cannot, it goes
// on without. Without failover the primary is who leads.
func answersOnHTTP(ctx context.Context, t *testing.T, s *suite) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	free, err := freeport.Reserve()
	must(t, err)
	defer free.Close()
	server := s.extraCluster(ctx, t, 1, map[string]string{"pgraft.http_listen": taken.Addr().String()}).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	conn := connect(ctx, t, server)
	must(t, sqlapi.Replicate(ctx, conn, "without HTTP"))
	must(t, wait.For(ctx, settleLimit, "the log to say that the port is in use", func(context.Context) error {
		if !strings.Contains(server.LogTail(200), fmt.Sprintf("no HTTP: pgraft.http_listen %s: listen tcp %[1]s: bind: address already in use; it is tried again every 5s", taken.Addr())) {
			return errors.New("it does not")
		}
		return nil
	}))
	must(t, server.Set(map[string]string{"pgraft.http_listen": fmt.Sprintf("127.0.0.1:%d", free.Port)}))
	reload(ctx, t, conn)
	says := func(method, path string, code int, words string) {
		t.Helper()
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("%s %s to answer %d with %q", method, path, code, words), func(ctx context.Context) error {
			got, body, err := askHTTP(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", free.Port, path))
			if err == nil && (got != code || !strings.Contains(body, words)) {
				err = fmt.Errorf("it answers %d: %s", got, body)
			}
			return err
		}))
	}
	says("OPTIONS", "/primary", http.StatusOK, "")
	says("GET", "/", http.StatusOK, `"role":"leader","state":"","may_commit":true,"may_read":true`)
	says("HEAD", "/replica", http.StatusServiceUnavailable, "")
	says("GET", "/health", http.StatusOK, "worker_state ok: running\n")
	says("GET", "/readiness", http.StatusOK, "ok\n")
	says("GET", "/liveness", http.StatusOK, "ok\n")
	says("GET", "/metrics", http.StatusOK, "\npgraft_node_leader 1\n")
	_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgraft engine'")
	must(t, err)
	says("OPTIONS", "/primary", http.StatusOK, "") // by the next one, too
	must(t, server.Set(map[string]string{"pgraft.http_listen": ""}))
	reload(ctx, t, conn)
	must(t, wait.For(ctx, settleLimit, "nothing to be answered any more", func(ctx context.Context) error {
		if got, _, err := askHTTP(ctx, "GET", fmt.Sprintf("http://127.0.0.1:%d/health", free.Port)); err == nil {
			return fmt.Errorf("it answers %d", got)
		}
		return nil
	}))
	s.leader(ctx, t, server)
	must(t, sqlapi.Replicate(ctx, conn, "still there"))
}

func askHTTP(ctx context.Context, method, url string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), errors.Join(err, res.Body.Close())
}
