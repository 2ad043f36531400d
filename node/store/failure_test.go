package store

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestWhatLacksRoom(t *testing.T) {
	all := []change{changeCreate, changeOpen, changeLink, changeRename, changeMkdir, changeRemove, changeWrite, changeSync, changeClose}
	for _, c := range all {
		for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT, fmt.Errorf("wrapped: %w", syscall.ENOSPC)} {
			if want := c != changeSync && c != changeClose; c.lacksRoom(err) != want {
				t.Errorf("%s: %v: lacks room: %v", c, err, !want)
			}
		}
		for _, err := range []error{nil, syscall.EIO, syscall.EFBIG, syscall.EROFS, syscall.ENOENT, io.ErrShortWrite, errors.New("no space left on device")} {
			if c.lacksRoom(err) {
				t.Errorf("%s: %v lacks room", c, err)
			}
		}
	}
}

// On a file system that may tell a write what became of an earlier one, a full disk is
// a failed one.
func TestFullDiskOfUnknownFileSystem(t *testing.T) {
	if reserves("/proc") || !reserves("/no/such/directory") {
		t.Error("/proc is taken for a disk, or a directory in memory is not")
	}
	r := &room{fs: vfs.NewMem(), held: true, until: make(chan struct{})}
	if err := r.wait(0, syscall.ENOSPC, new(bool)); err != syscall.ENOSPC || !r.held {
		t.Errorf("%v; the ballast is there: %v", err, r.held)
	}
}
