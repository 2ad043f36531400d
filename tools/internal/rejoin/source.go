package rejoin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/core/failover/host"
)

// source is the primary that the data is made from, and what it says of itself.
type source struct {
	address string
	asked   host.Asked
	ordered bool // it is the one of the order
	ok      bool
	why     error // there is none
}

// source asks the one of the order, and then whoever else may be the primary by now. Before
// anything is changed the first one has some time to be ready.
func (h *helper) source(own *host.Data) (s source) {
	if h.marker.Stage >= host.StageMade {
		return source{}
	}
	o := h.marker.Order
	limit := time.Now().Add(readyLimit)
	for {
		s = h.asks(o.Address)
		s.ordered = true
		if s.ok && s.asked.StillIs(o) {
			return s
		}
		if s.ok {
			s.why = fmt.Errorf("the server at %s is not the primary of epoch %d on timeline %d: it says %+v", o.Address, o.Epoch, o.History[len(o.History)-1].Timeline, s.asked)
		}
		if h.marker.Stage > host.StageOrdered || time.Now().After(limit) || h.stops.wait(askEvery) != nil {
			break
		}
	}
	if h.marker.Stage == host.StageOrdered {
		return s
	}
	why := s.why
	best := source{why: why}
	for _, address := range append(h.marker.Others, o.Address) {
		x := h.asks(address)
		if x.ok && x.asked.Ready() && x.asked.Newer(own.Sealed) && (!best.ok || x.asked.Epoch > best.asked.Epoch) {
			best = x
		}
	}
	return best
}

// isStill asks a source again, once the data is made from it.
func (h *helper) isStill(was source, own *host.Data) error {
	s := h.asks(was.address)
	switch {
	case !s.ok:
		return s.why
	case s.asked.Epoch != was.asked.Epoch || s.asked.Timeline != was.asked.Timeline || !s.asked.Ready() || !s.asked.Newer(own.Sealed):
		return fmt.Errorf("the server at %s is not the primary any more: it says %+v, and said %+v", was.address, s.asked, was.asked)
	}
	return nil
}

// ownName is what a session calls itself: a primary that is not open shows its data to who does so, and may
// replicate (pgext/fence/fence_xact.c).
const ownName = "pgraft rejoin"

const (
	askLimit = 10 * time.Second
	question = "SELECT NOT pg_is_in_recovery(), timeline_id, current_setting('pgraft.reign', true), " +
		"CASE WHEN pg_is_in_recovery() THEN '0' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END FROM pg_control_checkpoint()"
)

// asks has a server say what it is. One that has not checkpointed on its timeline yet is asked
// to, if this role may.
func (h *helper) asks(address string) source {
	s := source{address: address}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	conn, err := h.connects(ctx, address)
	if err != nil {
		s.why = err
		return s
	}
	defer conn.Close(ctx)
	if s.asked, err = Ask(ctx, conn); err == nil && s.asked.Production && !s.asked.Ready() {
		if _, err = conn.Exec(ctx, "CHECKPOINT"); err == nil {
			s.asked, err = Ask(ctx, conn)
		} else {
			err = fmt.Errorf("it has not checkpointed on its timeline yet, and: %w", err)
		}
	}
	if s.ok = err == nil; !s.ok {
		s.why = fmt.Errorf("the server at %s: %w", address, err)
	}
	return s
}

// Ask has a server say what it is.
func Ask(ctx context.Context, conn *pgx.Conn) (x host.Asked, err error) {
	var checkpointed int64
	var timeline string
	var reign *string
	if err = conn.QueryRow(ctx, question).Scan(&x.Production, &checkpointed, &reign, &timeline); err != nil {
		return x, err
	}
	t, err := strconv.ParseUint(timeline, 16, 32)
	if err != nil {
		return x, err
	}
	x.Timeline, x.Checkpointed = uint32(t), uint32(checkpointed)
	if reign != nil && *reign != "" {
		x.Epoch, err = strconv.ParseUint(*reign, 10, 64)
		x.Primary = err == nil
	}
	return x, err
}

// connects as the walreceiver would, to a database.
func (h *helper) connects(ctx context.Context, address string) (*pgx.Conn, error) {
	text, err := h.conninfo(address)
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(text + " dbname=postgres")
	if err != nil {
		return nil, fmt.Errorf("pgraft.replication_conninfo: %w", err)
	}
	cfg.RuntimeParams = map[string]string{"application_name": ownName} // libpq's own settings are no server's
	return pgx.ConnectConfig(ctx, cfg)
}

// conninfo is for libpq.
func (h *helper) conninfo(address string) (string, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", errors.Join(errors.New("the address of the primary"), err)
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return strings.TrimSpace(fmt.Sprintf("%s host='%s' port=%s", h.Conninfo, escape.Replace(name), port)), nil
}
