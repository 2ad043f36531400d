package host

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core/failover"
)

// MarkerSuffix and the data directory's path are the path of the marker.
const MarkerSuffix = ".pgraft_rejoin"

const rejoinHead = "pgraft rejoin 1\n"

// Marshal returns the marker as bytes.
func (x *Rejoining) Marshal() []byte {
	o := &x.Order
	b := fmt.Appendf(nil, "%sstage %d\nepoch %d %d\nprimary %d %q\nclone %d\n", rejoinHead, x.Stage, o.Epoch, o.Boot, o.Primary, o.Address, flag(o.Clone))
	for _, h := range o.History {
		b = fmt.Appendf(b, "history %d %s\n", h.Timeline, lsn(h.Begin))
	}
	for _, n := range o.Notes {
		b = fmt.Appendf(b, "timeline %d %d\n", n.Timeline, n.Epoch)
	}
	for _, a := range x.Others {
		b = fmt.Appendf(b, "other %q\n", a)
	}
	b = fmt.Appendf(b, "from %d %d\n", x.From.Epoch, x.From.Timeline)
	for _, n := range x.From.Notes {
		b = fmt.Appendf(b, "from_timeline %d %d\n", n.Timeline, n.Epoch)
	}
	return summed(b)
}

// UnmarshalRejoining reads Rejoining.Marshal.
func UnmarshalRejoining(b []byte) (x Rejoining, err error) {
	o := &x.Order
	err = read(b, rejoinHead, func(key, rest string) error {
		switch key {
		case "stage":
			return scan(rest, "%d", &x.Stage)
		case "epoch":
			return scan(rest, "%d %d", &o.Epoch, &o.Boot)
		case "primary":
			return scan(rest, "%d %q", &o.Primary, &o.Address)
		case "clone":
			return scanFlag(rest, &o.Clone)
		case "history":
			var h failover.Branch
			timeline, at, _ := strings.Cut(rest, " ")
			if err := scan(timeline, "%d", &h.Timeline); err != nil {
				return err
			}
			err := scanLSN(at, &h.Begin)
			o.History = append(o.History, h)
			return err
		case "timeline", "from_timeline":
			var n failover.Note
			err := scan(rest, "%d %d", &n.Timeline, &n.Epoch)
			if key == "timeline" {
				o.Notes = append(o.Notes, n)
			} else {
				x.From.Notes = append(x.From.Notes, n)
			}
			return err
		case "other":
			a, err := strconv.Unquote(rest)
			x.Others = append(x.Others, a)
			return err
		case "from":
			return scan(rest, "%d %d", &x.From.Epoch, &x.From.Timeline)
		}
		return fmt.Errorf("there is no such field")
	})
	switch {
	case err != nil:
		return Rejoining{}, err
	case x.Stage >= stages || len(o.History) == 0 || !bytes.Equal(x.Marshal(), b):
		return Rejoining{}, fmt.Errorf("host: %q has other fields than a marker of this version", rejoinHead[:len(rejoinHead)-1])
	}
	return x, nil
}
