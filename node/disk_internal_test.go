package node

import (
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// A disk that is stopped in order writes what waits first: the newest commit index is
// in no other batch. After a failure it writes nothing any more.
func TestDiskStops(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(*disk)
		want []uint64
	}{
		"in order":        {func(d *disk) { d.stop() }, []uint64{1, 2, 3}},
		"after a failure": {func(d *disk) { d.drop(); d.stop() }, []uint64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			begun, goOn := make(chan struct{}), make(chan struct{})
			var written []uint64
			write := func(b []core.Persist) error {
				if len(written) == 0 {
					close(begun)
					<-goOn
				}
				for _, p := range b {
					written = append(written, p.Seq)
				}
				return nil
			}
			d := newDisk(func(loop func(func([]core.Persist) error) error) error { return loop(write) },
				func(uint64) {}, func(err error) { t.Error(err) })
			go d.loop()
			d.add([]core.Persist{{Seq: 1, Sync: true}})
			<-begun
			d.add([]core.Persist{{Seq: 2}, {Seq: 3}})
			c.stop(d)
			close(goOn)
			<-d.ended
			if !slices.Equal(written, c.want) {
				t.Errorf("it wrote batches %d, want %d", written, c.want)
			}
		})
	}
}
