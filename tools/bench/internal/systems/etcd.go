package systems

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	dialLimit = 10 * time.Second
	// readKeys is how many keys are read at once to check them.
	readKeys = 1000
)

type etcd struct {
	program string
	dir     string
	flags   []string // beside those of all members
	version string
	members []*etcdMember
	clients []*clientv3.Client // one to each member
	leads   int                // index of the member that led at the last Epoch
}

// NewEtcd is an etcd cluster with default settings, but for room for the values
// (--quota-backend-bytes); its files go below dir. program is the server's.
func NewEtcd(program, dir string) System {
	return &etcd{program: program, dir: filepath.Join(dir, "etcd")}
}

func (e *etcd) Name() string    { return record.Etcd }
func (e *etcd) Version() string { return e.version }

func (e *etcd) Start(ctx context.Context) error {
	if err := os.Mkdir(e.dir, 0o700); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	for i := range servers {
		m, err := newEtcdMember(e.dir, i+1)
		if err != nil {
			return err
		}
		e.members = append(e.members, m)
	}
	for _, m := range e.members {
		if err := m.start(e.program, e.cluster(), e.flags); err != nil {
			return err
		}
		c, err := m.client()
		if err != nil {
			return err
		}
		e.clients = append(e.clients, c)
	}
	return e.allFollow(ctx)
}

// cluster is all members as etcd is told of them.
func (e *etcd) cluster() string {
	var all []string
	for _, m := range e.members {
		all = append(all, m.name+"="+m.peerURL())
	}
	return strings.Join(all, ",")
}

// allFollow waits until every member knows a leader.
func (e *etcd) allFollow(ctx context.Context) error {
	for i, m := range e.members {
		err := wait.For(ctx, settleLimit, "etcd's member "+m.name+" to follow a leader", func(ctx context.Context) error {
			select {
			case <-m.exited:
				return fmt.Errorf("it ended instead: %w\n%s", wait.ErrHopeless, m.logTail())
			default:
			}
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			s, err := e.clients[i].Status(ctx, m.clientURL())
			if err == nil && s.Leader == 0 {
				err = errors.New("it knows none")
			}
			if err == nil {
				e.version = s.Version
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leader says which member leads, as an index of members, and in which term.
func (e *etcd) leader(ctx context.Context) (leader int, status *clientv3.StatusResponse, err error) {
	err = wait.For(ctx, settleLimit, "a leader of etcd", func(ctx context.Context) error {
		for i, m := range e.members {
			s, err := e.clients[i].Status(ctx, m.clientURL())
			if err != nil {
				return err
			}
			if s.Leader == s.Header.MemberId {
				leader, status = i, s
				return nil
			}
		}
		return errors.New("none says that it leads")
	})
	return leader, status, err
}

func (e *etcd) Epoch(ctx context.Context) (string, error) {
	i, s, err := e.leader(ctx)
	if err != nil {
		return "", err
	}
	e.leads = i
	return fmt.Sprintf("%s in term %d", e.members[i].name, s.RaftTerm), nil
}

func (e *etcd) Processes() (map[string][]int, error) {
	parts := map[string][]int{}
	for _, m := range e.members {
		parts[record.Servers] = append(parts[record.Servers], m.pid())
	}
	return parts, nil
}

// etcdSession uses the client that all sessions at a member share, as etcd's documents
// ask for: with one each, 256 sessions got half the rate.
type etcdSession struct {
	client *clientv3.Client
	do     func(ctx context.Context, client *clientv3.Client, n int) error
}

func (s *etcdSession) Ready(context.Context) error         { return nil }
func (s *etcdSession) Do(ctx context.Context, n int) error { return s.do(ctx, s.client, n) }
func (s *etcdSession) Close(context.Context) error         { return nil }

func (e *etcd) Open(_ context.Context, c record.Cell, l *Ledger, i int) (Session, error) {
	at := e.leads
	if c.Through == record.Follower {
		at = (at + 1) % len(e.members)
	}
	s := &etcdSession{client: e.clients[at]}
	switch c.Operation {
	case record.Write:
		s.do = func(ctx context.Context, client *clientv3.Client, n int) error {
			_, err := client.Put(ctx, l.Key(i, n), l.Value(i, n))
			return err
		}
	case record.Get:
		s.do = func(ctx context.Context, client *clientv3.Client, _ int) error {
			_, err := client.Get(ctx, "no such key")
			return err
		}
	default:
		return nil, fmt.Errorf("etcd has no operation %q", c.Operation)
	}
	return s, nil
}

// Mark has nothing to do: keys are told apart by the ledger's name.
func (e *etcd) Mark(context.Context) error { return nil }

func (e *etcd) Check(ctx context.Context, l *Ledger) error {
	_, end, err := e.leader(ctx)
	if err != nil {
		return err
	}
	for i, m := range e.members {
		err := wait.For(ctx, settleLimit, fmt.Sprintf("index %d to be applied", end.RaftAppliedIndex), func(ctx context.Context) error {
			s, err := e.clients[i].Status(ctx, m.clientURL())
			if err == nil && s.RaftAppliedIndex < end.RaftAppliedIndex {
				err = fmt.Errorf("it is at %d", s.RaftAppliedIndex)
			}
			return err
		})
		if err == nil {
			err = check(ctx, e.clients[i], l)
		}
		if err != nil {
			return fmt.Errorf("etcd's %s: %w", m.name, err)
		}
	}
	return nil
}

// check reads what the member itself has, without asking a quorum.
func check(ctx context.Context, client *clientv3.Client, l *Ledger) error {
	v := l.Inventory()
	next, end := l.Name(), clientv3.GetPrefixRangeEnd(l.Name())
	limit := int64(max(1, min(readKeys, checkBytes/l.bytes)))
	for {
		r, err := client.Get(ctx, next, clientv3.WithRange(end), clientv3.WithSerializable(), clientv3.WithLimit(limit))
		if err != nil {
			return fmt.Errorf("read from %q on: %w", next, err)
		}
		for _, kv := range r.Kvs {
			if kv.Version != 1 {
				return fmt.Errorf("%s was written %d times", kv.Key, kv.Version)
			}
			if err := v.Found(string(kv.Key), MD5(string(kv.Value))); err != nil {
				return err
			}
		}
		if !r.More {
			return v.Missing()
		}
		next = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}

// Clean gives the space back for the next values: it removes the keys and their
// history, and waits until that is done.
func (e *etcd) Clean(ctx context.Context, l *Ledger) error {
	r, err := e.clients[0].Delete(ctx, l.Name(), clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("etcd: remove what was written: %w", err)
	}
	if _, err := e.clients[0].Compact(ctx, r.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("etcd: compact: %w", err)
	}
	return nil
}

func (e *etcd) Stop() error {
	var err error
	for _, c := range e.clients {
		err = errors.Join(err, c.Close())
	}
	for _, m := range e.members {
		err = errors.Join(err, m.stop())
	}
	e.clients, e.members = nil, nil
	if rm := os.RemoveAll(e.dir); rm != nil {
		err = errors.Join(err, fmt.Errorf("etcd: %w", rm))
	}
	return err
}

// quiet keeps the client's warnings out of the results; errors are returned.
var quiet = zap.NewNop()
