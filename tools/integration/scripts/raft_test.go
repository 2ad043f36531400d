//go:build integration

package scripts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// call asks a node in SQL and prints how it answers.
func (s *script) call(n target, sql string) error {
	var notices strings.Builder
	conn, err := open(s.ctx, n.Server, "", func(text string) { notices.WriteString(text) })
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(s.ctx))
	answer := run(s.ctx, conn, sql, &notices)
	if rest, done := strings.CutSuffix(answer, "t\n"); done && (rest == "" || strings.HasSuffix(rest, "\n")) {
		answer = rest + "ok\n"
	}
	s.out.WriteString(n.name + ": " + answer)
	return nil
}

// init node=2 [wait]: CREATE EXTENSION and pgraft_init(). Node 1 founds a
// cluster of one, every other waits to be invited, as with wait.
func (s *script) init() error {
	argument := ""
	if s.has("wait") {
		argument = "bootstrap => false"
	}
	return s.each(func(n target) error {
		// a standby has the extension from its primary, and cannot create it
		if err := with(s.ctx, n.Server, func(conn *pgx.Conn) error {
			_, err := conn.Exec(s.ctx, `DO $$ BEGIN
				IF NOT pg_is_in_recovery() THEN CREATE EXTENSION IF NOT EXISTS pgraft; END IF; END $$`)
			return err
		}); err != nil {
			return err
		}
		return s.call(n, "SELECT pgraft_init("+argument+")")
	})
}

// add-node node=1 add=2 [address=127.0.0.1] [port=1]: asks node.
func (s *script) addNode() error {
	n, err := s.node("node")
	if err != nil {
		return err
	}
	where, err := s.where("add")
	if err != nil {
		return err
	}
	return s.call(n, fmt.Sprintf("SELECT pgraft_add_node(%s, %s)", s.text("add", ""), where))
}

// where is the address and the port of the node that an argument names, as arguments
// in SQL; address= and port= stand in for them.
func (s *script) where(argument string) (string, error) {
	port := s.text("port", "")
	if port == "" {
		other, err := s.node(argument)
		if err != nil {
			return "", err
		}
		port = strconv.Itoa(other.RaftPort)
	}
	return fmt.Sprintf("'%s', %s", s.text("address", "127.0.0.1"), port), nil
}

// replace-node node=1 old=2 new=4 [address=127.0.0.1] [port=1]: asks node.
func (s *script) replaceNode() error {
	n, err := s.node("node")
	if err != nil {
		return err
	}
	where, err := s.where("new")
	if err != nil {
		return err
	}
	return s.call(n, fmt.Sprintf("SELECT pgraft_replace_node(%s, %s, %s)", s.text("old", ""), s.text("new", ""), where))
}

// remove-node node=1 remove=2: asks node.
func (s *script) removeNode() error {
	n, err := s.node("node")
	if err != nil {
		return err
	}
	return s.call(n, fmt.Sprintf("SELECT pgraft_remove_node(%s)", s.text("remove", "")))
}

// transfer [node=leader] to=2: asks node; leadership is there when it returns.
func (s *script) transfer() error {
	if s.has("node") {
		n, err := s.node("node")
		if err != nil {
			return err
		}
		return s.call(n, "SELECT pgraft_transfer_leadership("+s.text("to", "")+")")
	}
	to, err := strconv.Atoi(s.text("to", ""))
	if err != nil {
		return err
	}
	_, err = s.move(to)
	return err
}

// move has the leader hand over to a node; a machine under load may need more
// than one try.
func (s *script) move(to int) (from int, err error) {
	err = wait.For(s.ctx, settleLimit, fmt.Sprintf("node %d to lead", to), func(ctx context.Context) error {
		leader, err := s.withRole(true)
		if err != nil {
			return err
		}
		if leader.NodeID == to {
			return nil
		}
		from = leader.NodeID
		if err := with(ctx, leader, func(conn *pgx.Conn) error {
			_, err := sqlapi.TransferLeadership(ctx, conn, to)
			return err
		}); err != nil {
			return err
		}
		return errors.New("it was asked to")
	})
	return from, err
}

// propose [node=1] data=x [id=uuid]: also the input is data. Prints ok, or the
// error; places differ from run to run.
func (s *script) propose() error {
	n, err := s.node("node")
	if err != nil {
		return err
	}
	data := s.text("data", s.d.Input)
	quoted := "'" + strings.ReplaceAll(data, "'", "''") + "'"
	if id := s.text("id", ""); id != "" {
		return s.call(n, fmt.Sprintf("SELECT 't' FROM pgraft_propose(%s, '%s')", quoted, id))
	}
	return s.call(n, "SELECT pgraft_replicate_entry("+quoted+")")
}

// wait leader | whole | applied [node=all] | node=2 and a condition as input.
func (s *script) wait() error {
	switch {
	case s.has("leader"):
		_, err := s.withRole(true)
		return err
	case s.has("whole"):
		return s.whole()
	case s.has("applied"):
		return s.applied()
	}
	return s.each(func(n target) error {
		return wait.For(s.ctx, settleLimit, s.d.Input, func(ctx context.Context) error {
			return with(ctx, n.Server, func(conn *pgx.Conn) error {
				var holds *bool
				err := conn.QueryRow(ctx, s.d.Input).Scan(&holds)
				if err == nil && (holds == nil || !*holds) {
					err = errors.New("it does not hold")
				}
				return err
			})
		})
	})
}

// up are the servers that run and are members.
func (s *script) up() (up []*pgcluster.Server, err error) {
	for _, server := range s.cluster.Servers {
		running, err := server.Running()
		if err != nil {
			return nil, err
		}
		if running {
			up = append(up, server)
		}
	}
	return up, nil
}

// whole waits until all servers that run are reachable members of one cluster,
// and all of them say so.
func (s *script) whole() error {
	up, err := s.up()
	if err != nil {
		return err
	}
	return wait.For(s.ctx, settleLimit, "the cluster to be whole", func(ctx context.Context) error {
		for _, server := range up {
			err := with(ctx, server, func(conn *pgx.Conn) error {
				rows, err := sqlapi.ClusterStatus(ctx, conn)
				if err != nil {
					return err
				}
				leads := 0
				for _, r := range rows {
					if slices.Contains([]string{"Unreachable", "Candidate", "Learner"}, r.State) {
						return fmt.Errorf("node %d says that node %d is %s", server.NodeID, r.NodeID, r.State)
					}
					if r.IsLeader {
						leads++
					}
				}
				if len(rows) != len(up) || leads != 1 {
					return fmt.Errorf("node %d knows %d members, %d of them lead", server.NodeID, len(rows), leads)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// applied waits until every server that runs has what was committed before, in
// its tables too.
func (s *script) applied() error {
	up, err := s.up()
	if err != nil {
		return err
	}
	for _, server := range up {
		if err := wait.For(s.ctx, settleLimit, fmt.Sprintf("a read barrier on node %d", server.NodeID), func(ctx context.Context) error {
			return with(ctx, server, func(conn *pgx.Conn) error {
				_, err := sqlapi.ReadBarrier(ctx, conn)
				return err
			})
		}); err != nil {
			return err
		}
	}
	return nil
}

// status: what each server says of itself and of the members.
func (s *script) status() error {
	for _, server := range s.cluster.Servers {
		up, err := server.Running()
		if err != nil {
			return err
		}
		if !up {
			s.printf("%d: down", server.NodeID)
			continue
		}
		var line string
		if err := with(s.ctx, server, func(conn *pgx.Conn) error {
			return conn.QueryRow(s.ctx, `SELECT format('%s: %s leader %s members %s', $1::int, coalesce(n.role, n.worker_state), coalesce(n.leader_node, 0),
				coalesce((SELECT string_agg(node_id::text, ' ' ORDER BY node_id) FROM pgraft_get_cluster_status() WHERE n.role IS NOT NULL), 'unknown'))
				FROM pgraft_stat_node n`, server.NodeID).Scan(&line)
		}); err != nil {
			return err
		}
		s.printf("%s", line)
	}
	return nil
}

// entries are a node's log without its places and Raft's empty entries.
func entries(ctx context.Context, server *pgcluster.Server) (lines []string, err error) {
	err = with(ctx, server, func(conn *pgx.Conn) error {
		rows, err := sqlapi.LogEntries(ctx, conn, 1, 1<<62)
		for _, r := range rows {
			switch {
			case r.Data != nil:
				lines = append(lines, strconv.Quote(*r.Data))
			case !strings.HasPrefix(r.Kind, "leader"):
				lines = append(lines, r.Kind)
			}
		}
		return err
	})
	return lines, err
}

// log node=2: its entries, in order.
func (s *script) log() error {
	n, err := s.node("node")
	if err != nil {
		return err
	}
	lines, err := entries(s.ctx, n.Server)
	for _, line := range lines {
		s.printf("%s", line)
	}
	return err
}

// invariants: once all have applied what is committed, their logs are the same,
// and one node leads.
func (s *script) invariants() error {
	if err := s.applied(); err != nil {
		return err
	}
	up, err := s.up()
	if err != nil {
		return err
	}
	var first []string
	for i, server := range up {
		lines, err := entries(s.ctx, server)
		if err != nil {
			return err
		}
		if i == 0 {
			first = lines
		}
		if !slices.Equal(first, lines) {
			s.printf("the logs of nodes %d and %d differ:\n%q\n%q", up[0].NodeID, server.NodeID, first, lines)
		}
	}
	_, err = s.withRole(true)
	return err
}
