package join

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// conninfo is a connection string of libpq's, taken apart: keywords and values in their order.
type conninfo struct {
	keys   []string
	values map[string]string
}

// ofPlace are the keywords that say which server it is, and not how one connects.
var ofPlace = []string{"host", "hostaddr", "port", "dbname", "target_session_attrs", "load_balance_hosts", "application_name", "fallback_application_name", "replication", "options"}

// parseConninfo reads keywords and values, or a URI. It takes no password: that would go into the
// server's settings.
func parseConninfo(text string) (c conninfo, err error) {
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		c, err = parseURI(text)
	} else {
		c, err = parseWords(text)
	}
	if err == nil && c.values["password"] != "" {
		err = errors.New("a password in a connection string ends up in settings and process lists: put it into a file, and name that with passfile=FILE (or use ~/.pgpass)")
	}
	return c, err
}

func parseURI(text string) (conninfo, error) {
	c := conninfo{values: map[string]string{}}
	u, err := url.Parse(text)
	if err != nil {
		return c, errors.New("the connection string is no URI that can be read; use keywords and values: host=… user=…")
	}
	c.set("host", u.Hostname())
	c.set("port", u.Port())
	c.set("user", u.User.Username())
	password, _ := u.User.Password()
	c.set("password", password)
	c.set("dbname", strings.TrimPrefix(u.Path, "/"))
	query := u.Query()
	for _, key := range sortedKeys(query) {
		c.set(key, query.Get(key))
	}
	return c, nil
}

func parseWords(text string) (conninfo, error) {
	c := conninfo{values: map[string]string{}}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		key, after, ok := strings.Cut(rest, "=")
		if key = strings.TrimSpace(key); !ok || key == "" || strings.ContainsAny(key, " \t\n'") {
			return c, fmt.Errorf("the connection string has no \"=\" after %q", key)
		}
		after = strings.TrimLeft(after, " \t\n")
		value, left, err := word(after)
		if err != nil {
			return c, fmt.Errorf("the value of %s in the connection string: %w", key, err)
		}
		c.set(key, value)
		rest = left
	}
	return c, nil
}

// word reads a value, quoted or not.
func word(text string) (value, rest string, err error) {
	var b strings.Builder
	quoted := strings.HasPrefix(text, "'")
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quoted && ch == '\'':
			return b.String(), text[i+1:], nil
		case !quoted && strings.IndexByte(" \t\n", ch) >= 0:
			return b.String(), text[i:], nil
		default:
			b.WriteByte(ch)
		}
	}
	if quoted {
		return "", "", errors.New("its quote is not closed")
	}
	return b.String(), "", nil
}

func (c *conninfo) set(key, value string) {
	if value == "" {
		return
	}
	if c.values[key] == "" {
		c.keys = append(c.keys, key)
	}
	c.values[key] = value
}

// at is the same for another server.
func (c conninfo) at(host, port string, more ...string) conninfo {
	x := c.how()
	x.set("host", host)
	x.set("port", port)
	for i := 0; i < len(more); i += 2 {
		x.set(more[i], more[i+1])
	}
	return x
}

// with is the same with a value more.
func (c conninfo) with(key, value string) conninfo {
	x := conninfo{keys: slices.Clone(c.keys), values: maps.Clone(c.values)}
	x.set(key, value)
	return x
}

// how is without what says which server it is.
func (c conninfo) how() conninfo {
	x := conninfo{values: map[string]string{}}
	for _, key := range c.keys {
		if !slices.Contains(ofPlace, key) {
			x.set(key, c.values[key])
		}
	}
	return x
}

// String is it as keywords and values.
func (c conninfo) String() string {
	var words []string
	for _, key := range c.keys {
		words = append(words, key+"="+quoteWord(c.values[key]))
	}
	return strings.Join(words, " ")
}

// quoteWord quotes a value where that needs it.
func quoteWord(value string) string {
	if value != "" && !strings.ContainsAny(value, " \t\n'\\=") {
		return value
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// connect opens a session. libpq's own keywords that pgx does not know are no settings of a server.
func (c conninfo) connect(ctx context.Context, replication bool) (*pgx.Conn, error) {
	if home := os.Getenv("HOME"); c.values["passfile"] == "" && os.Getenv("PGPASSFILE") == "" && home != "" {
		c = c.with("passfile", filepath.Join(home, ".pgpass")) // where libpq looks, and pgx asks the system's users
	}
	cfg, err := pgx.ParseConfig(c.String())
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams = map[string]string{"application_name": applicationName}
	if replication {
		cfg.RuntimeParams["replication"] = "true"
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	}
	return pgx.ConnectConfig(ctx, cfg)
}

const applicationName = "pgraft join"

// address is host and port as one.
func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
