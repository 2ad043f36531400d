//go:build integration

package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// exampleDir is where file reads from.
const exampleDir = "../../../pgext/examples"

// open connects, with notices going to notice.
func open(ctx context.Context, server *pgcluster.Server, database string, notice func(string)) (conn *pgx.Conn, err error) {
	config, err := pgx.ParseConfig(server.URL())
	if err != nil {
		return nil, err
	}
	if database != "" {
		config.Database = database
	}
	config.RuntimeParams["client_encoding"] = "UTF8" // as the scripts are
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		notice(report(n.Severity, n.Code, n.Message, n.Detail, n.Hint))
	}
	err = wait.For(ctx, settleLimit, fmt.Sprintf("node %d to take a connection", server.NodeID), func(ctx context.Context) error {
		conn, err = pgx.ConnectConfig(ctx, config)
		return err
	})
	return conn, err
}

func report(severity, code, message, detail, hint string) string {
	text := severity + " " + code + ": " + message + "\n"
	for _, more := range [][2]string{{"DETAIL", detail}, {"HINT", hint}} {
		if more[1] != "" {
			text += "  " + more[0] + ": " + more[1] + "\n"
		}
	}
	return text
}

// run is what psql would show of some statements: rows with | between columns,
// the tag of what has no rows, notices and errors with SQLSTATE, DETAIL and HINT.
func run(ctx context.Context, conn *pgx.Conn, sql string, notices *strings.Builder) string {
	var out strings.Builder
	flush := func() {
		out.WriteString(notices.String())
		notices.Reset()
	}
	results := conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		r := results.ResultReader()
		columns := len(r.FieldDescriptions())
		for r.NextRow() {
			flush()
			values := make([]string, columns)
			for i, v := range r.Values() {
				values[i] = string(v)
				switch {
				case v == nil:
					values[i] = "NULL"
				case len(v) == 0: // void, too
					values[i] = "''"
				}
			}
			out.WriteString(strings.Join(values, " | ") + "\n")
		}
		tag, err := r.Close()
		flush()
		switch {
		case err != nil:
		case columns == 0:
			out.WriteString(tag.String() + "\n")
		case tag.String() == "SELECT 0":
			out.WriteString("no rows\n")
		}
	}
	err := results.Close()
	flush()
	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr):
		out.WriteString(report(pgErr.Severity, pgErr.Code, pgErr.Message, pgErr.Detail, pgErr.Hint))
	case err != nil:
		out.WriteString("connection lost\n")
	}
	return out.String()
}

// sql node=2 [database=d] [session=s [async]]: input: statements. With a session
// the connection stays open; async does not wait for the answer. Where several
// nodes answer alike, it stands there once.
func (s *script) sql() error { return s.statements(s.d.Input) }

// file node=all path=config_store/config_store.sql: statements of an example.
func (s *script) file() error {
	text, err := os.ReadFile(filepath.Join(exampleDir, filepath.FromSlash(s.text("path", ""))))
	if err != nil {
		return err
	}
	before := s.out.Len()
	err = s.statements(string(text))
	if all := s.out.String()[before:]; err == nil && !strings.Contains(all, "ERROR") {
		s.out.Reset() // tags of a long file say nothing
	}
	return err
}

func (s *script) statements(sql string) error {
	nodes, err := s.nodes("node")
	if err != nil {
		return err
	}
	if name := s.text("session", ""); name != "" {
		if len(nodes) != 1 {
			return errors.New("a session is on one node")
		}
		return s.inSession(name, nodes[0], sql)
	}
	var answers []string
	same := true
	for _, n := range nodes {
		var notices strings.Builder
		conn, err := open(s.ctx, n.Server, s.text("database", ""), func(text string) { notices.WriteString(text) })
		if err != nil {
			return err
		}
		answers = append(answers, run(s.ctx, conn, sql, &notices))
		conn.Close(context.WithoutCancel(s.ctx))
		same = same && answers[0] == answers[len(answers)-1]
	}
	for i, n := range nodes {
		switch {
		case len(nodes) == 1:
			s.out.WriteString(answers[i])
		case !same:
			s.printf("%s:\n%s", n.name, strings.TrimSuffix(answers[i], "\n"))
		case i == 0:
			s.printf("all:\n%s", strings.TrimSuffix(answers[i], "\n"))
		}
	}
	return nil
}

func (s *script) inSession(name string, n target, sql string) error {
	x := s.sessions[name]
	notices := new(strings.Builder)
	if x == nil {
		ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
		conn, err := open(ctx, n.Server, s.text("database", ""), func(text string) { notices.WriteString(text) })
		if err != nil {
			cancel()
			return err
		}
		x = &session{conn: conn, cancel: cancel}
		s.sessions[name] = x
	}
	if x.pending != nil {
		return fmt.Errorf("session %s is busy: await it first", name)
	}
	if !s.has("async") {
		s.out.WriteString(run(s.ctx, x.conn, sql, notices))
		return nil
	}
	x.pending = make(chan string, 1)
	ctx := context.WithoutCancel(s.ctx)
	go func() { x.pending <- run(ctx, x.conn, sql, notices) }()
	return nil
}

// await session=s: the answer to what was started with async.
func (s *script) await() error {
	name := s.text("session", "")
	x := s.sessions[name]
	if x == nil || x.pending == nil {
		return fmt.Errorf("session %q waits for nothing", name)
	}
	select {
	case answer := <-x.pending:
		s.out.WriteString(answer)
	case <-time.After(settleLimit):
		return fmt.Errorf("session %s got no answer within %s", name, settleLimit)
	}
	x.pending = nil
	return nil
}

var (
	uuidText      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	heartbeatText = regexp.MustCompile(`\b\d+\.\d{3}s\b`)
	// An election that nobody asked for, as on a machine under load, is an entry.
	placeText = regexp.MustCompile(`(index is|is index|at entry|at index) \d+`)
	timeText  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d)?`)
)

// mask replaces what differs from run to run.
func (s *script) mask(text string) string {
	text = uuidText.ReplaceAllString(text, "UUID")
	text = placeText.ReplaceAllString(text, "$1 N")
	text = timeText.ReplaceAllString(text, "TIME")
	text = heartbeatText.ReplaceAllString(text, "SECONDS")
	if s.cluster == nil {
		return text
	}
	for _, server := range s.cluster.Servers {
		for port, name := range map[int]string{server.Port: "PORT", server.RaftPort: "RAFTPORT"} {
			text = regexp.MustCompile(`\b`+strconv.Itoa(port)+`\b`).ReplaceAllString(text, name+strconv.Itoa(server.NodeID))
		}
	}
	return strings.ReplaceAll(text, s.cluster.Dir, "DIR")
}
