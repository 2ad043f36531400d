package join

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// dialLimit is how long a member's port may take to answer.
const dialLimit = 5 * time.Second

// programs finds PostgreSQL's programs, of the primary's version.
func (j *joiner) programs() error {
	want := fmt.Sprint(j.cluster.version / 10000)
	dirs := []string{j.BinDir}
	if j.BinDir == "" {
		dirs = []string{"/usr/lib/postgresql/" + want + "/bin", "/usr/pgsql-" + want + "/bin"}
		if path, err := exec.LookPath("pg_ctl"); err == nil {
			dirs = slices.Insert(dirs, 0, filepath.Dir(path))
		}
	}
	seen := ""
	for _, dir := range dirs {
		out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		fields := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian …)
		if len(fields) < 3 {
			continue
		}
		major, _, _ := strings.Cut(fields[2], ".")
		if major == want {
			j.BinDir = dir
			return j.library()
		}
		seen = fields[2]
	}
	if seen != "" {
		return fmt.Errorf("the primary runs PostgreSQL %s, and this machine has %s: install PostgreSQL %s, and name the directory of its programs with --bindir", want, seen, want)
	}
	return fmt.Errorf("PostgreSQL %s is not in %s: install it, or name the directory of its programs with --bindir", want, strings.Join(dirs, ", "))
}

// library looks for pgraft in this PostgreSQL, where that says where its libraries are.
func (j *joiner) library() error {
	for _, name := range []string{"pg_ctl", "pg_basebackup"} {
		if _, err := os.Stat(filepath.Join(j.BinDir, name)); err != nil {
			return fmt.Errorf("%w: install the server and the client programs of PostgreSQL", err)
		}
	}
	out, err := exec.Command(filepath.Join(j.BinDir, "pg_config"), "--pkglibdir").Output()
	if err != nil {
		return nil // it need not be there: the server says it when it starts
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "pgraft.so")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("pgraft is not installed in this PostgreSQL: %w", err)
	}
	return nil
}

// checks looks at all that would stop the join later, and says all of it at once.
func (j *joiner) checks(ctx context.Context) error {
	var all []error
	add := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	c, s := &j.cluster, &j.state
	if c.mode == "founding" || c.failsOver() && (!c.asked.Primary || !c.asked.Ready()) {
		add("the server at %s does not serve as the primary yet: wait until pgraft_get_primary() names it", c.address())
	}
	if s.Stage == stageNone || s.Stage == stageCopying {
		j.checksOfCopy(add)
		j.checksOfMember(add)
	}
	if err := j.replicates(ctx); err != nil {
		all = append(all, err)
	}
	for _, m := range c.members {
		if uint32(m.NodeID) == s.NodeID {
			continue
		}
		conn, err := net.DialTimeout("tcp", address(m.Address, int(m.Port)), dialLimit)
		if err != nil {
			add("node %d is not reached from here: %w; open port %d between the members, in both directions", m.NodeID, err, m.Port)
			continue
		}
		conn.Close() // it said nothing
	}
	return errors.Join(all...)
}

// checksOfCopy looks at the directory and at what the primary can give.
func (j *joiner) checksOfCopy(add func(string, ...any)) {
	c := &j.cluster
	if c.walLevel == "minimal" {
		add("wal_level is minimal on the primary: set it to replica there, and restart it")
	}
	if free := c.maxSenders - c.senders; free < 3 {
		add("max_wal_senders is %d on the primary, and %d are in use: a copy takes three. Raise it there, and restart it", c.maxSenders, c.senders)
	}
	if free := c.maxSlots - c.slots; free < 2 {
		add("max_replication_slots is %d on the primary, and %d are in use: two are needed. Raise it there, and restart it", c.maxSlots, c.slots)
	}
	if j.state.Stage == stageNone {
		if entries, err := os.ReadDir(j.DataDir); err == nil && len(entries) > 0 {
			add("%s is not empty: name another data directory, or empty it if nothing in it is needed", j.DataDir)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			add("the data directory: %w", err)
		}
	}
	parent := filepath.Dir(j.DataDir)
	if err := syscall.Access(parent, 2 /* write */); err != nil {
		add("%s: %w; this notes beside the data directory how far it has come", parent, err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(parent, &fs); err == nil {
		if free := int64(fs.Bavail) * fs.Bsize; free < c.size {
			add("the data is %s, and there is room for %s in %s", bytesText(c.size), bytesText(free), parent)
		}
	}
	for _, dir := range c.tablespaces {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			add("the primary has a tablespace in %s, and that directory is not empty here", dir)
		}
	}
	if c.tls && (j.CertFile == "" || j.KeyFile == "") {
		add("the nodes talk TLS: name the certificate of node %d, and its key, with --ssl-cert-file and --ssl-key-file", j.state.NodeID)
	}
}

// checksOfMember looks at who the new member is to be.
func (j *joiner) checksOfMember(add func(string, ...any)) {
	s := &j.state
	for _, m := range j.cluster.members {
		if uint32(m.NodeID) == s.NodeID {
			add("node %d is a member already, at %s: leave --node-id out, or remove that one", m.NodeID, address(m.Address, int(m.Port)))
		} else if m.Address == s.Address && int(m.Port) == s.Port {
			add("%s is where node %d is: say with --port which port this node is to have, or with --address where it is reached", address(s.Address, s.Port), m.NodeID)
			return
		}
	}
	for _, at := range []struct {
		port int
		flag string
	}{{s.Port, "--port"}, {s.ServerPort, "--server-port"}} {
		where := s.Address
		if j.ListenAddress != "" && at.flag == "--port" {
			where = j.ListenAddress
		}
		l, err := net.Listen("tcp", address(where, at.port))
		if err != nil {
			add("this machine cannot listen there: %w; say with %s which port it is to be, or with --address which address this machine has", err, at.flag)
			continue
		}
		l.Close() // only tried
	}
}

// replicates tries a replication connection, as the server will make it.
func (j *joiner) replicates(ctx context.Context) error {
	how, err := j.replication()
	if err != nil {
		return err
	}
	conn, err := how.at(j.cluster.host, strconv.Itoa(j.cluster.reached)).connect(ctx, true)
	if err == nil {
		return conn.Close(ctx)
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "28000" {
		user := how.values["user"]
		return fmt.Errorf("the primary lets no replication connection of this machine in: %s; add to pg_hba.conf on every member, and reload it:\nhost replication %s %s scram-sha-256", pgErr.Message, user, j.mask())
	}
	return fmt.Errorf("a replication connection to %s, with %q: %w", j.cluster.address(), how, err)
}

// mask is this machine's address, as pg_hba.conf has it.
func (j *joiner) mask() string {
	if ip := net.ParseIP(j.state.Address); ip != nil && ip.To4() != nil {
		return j.state.Address + "/32"
	} else if ip != nil {
		return j.state.Address + "/128"
	}
	return j.state.Address
}

// replication is how the server connects to a primary.
func (j *joiner) replication() (conninfo, error) {
	text := j.Replication
	if text == "" {
		text = j.cluster.replication
	}
	if text == "" {
		how := j.cluster.via.how()
		how.set("user", j.conn.Config().User)
		return how, nil
	}
	how, err := parseConninfo(text)
	return how.how(), err
}

func bytesText(n int64) string {
	const kB = 1024
	switch {
	case n >= 10*kB*kB*kB:
		return fmt.Sprintf("%d GB", n/kB/kB/kB)
	case n >= 10*kB*kB:
		return fmt.Sprintf("%d MB", n/kB/kB)
	}
	return fmt.Sprintf("%d kB", n/kB)
}
