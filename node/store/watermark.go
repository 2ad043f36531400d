package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A watermark is a small file beside Pebble's that says how many batches were
// certainly durable. It is why damage at the end of the write-ahead log is not
// taken for a write that a crash cut short: Pebble 2.1 can tell the two apart
// only when another 32 KiB block follows, and would otherwise drop batches that
// were acknowledged. A store that comes back with fewer batches than its
// watermark is refused.
//
// It is written after each fsync and not synced itself, so it costs no fsync:
// it survives a crash of the process as it is, and after a crash of the machine
// it may be some seconds old, never too new. Close syncs it.
type watermark struct {
	file vfs.File
	buf  [watermarkBytes]byte
}

const (
	watermarkName  = "SYNCED"
	watermarkMagic = 0x7067726166747731 // "pgraftw1"
	watermarkBytes = 8 + 8 + 4          // magic, count, CRC32C: one sector, so never torn
)

// errNoWatermark says that there is no file, or one that was never written.
var errNoWatermark = errors.New("there is none")

// unreadError says that it could not be looked at.
type unreadError struct{ error }

func (e *unreadError) Unwrap() error { return e.error }

// IsMark says that a file of this name is in every directory of a store that was
// opened to its end.
func IsMark(name string) bool { return name == watermarkName }

func watermarkPath(fsys vfs.FS, dir string) string { return fsys.PathJoin(dir, watermarkName) }

// readWatermark returns the number of batches that were durable.
func readWatermark(fsys vfs.FS, dir string) (uint64, error) {
	f, err := fsys.Open(watermarkPath(fsys, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errNoWatermark
	}
	if err != nil {
		return 0, &unreadError{err}
	}
	data, err := io.ReadAll(f)
	switch err := errors.Join(err, f.Close()); {
	case errors.Is(err, syscall.EISDIR):
		return 0, err
	case err != nil:
		return 0, &unreadError{err}
	}
	if len(data) == 0 {
		return 0, errNoWatermark
	}
	if len(data) != watermarkBytes {
		return 0, fmt.Errorf("it has %d bytes instead of %d", len(data), watermarkBytes)
	}
	sum := binary.LittleEndian.Uint32(data[16:])
	if got := crc32.Checksum(data[:16], castagnoli); got != sum || binary.LittleEndian.Uint64(data) != watermarkMagic {
		return 0, fmt.Errorf("checksum %08x instead of %08x", got, sum)
	}
	return binary.LittleEndian.Uint64(data[8:]), nil
}

// openWatermark opens the file for set, and makes it, durably, if create is set.
func openWatermark(fsys vfs.FS, dir string, create bool) (*watermark, error) {
	f, err := fsys.OpenReadWrite(watermarkPath(fsys, dir), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	w := &watermark{file: f}
	if !create {
		return w, nil
	}
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	return w, errors.Join(w.set(0), f.Sync(), d.Sync(), d.Close())
}

func (w *watermark) set(batches uint64) error {
	binary.LittleEndian.PutUint64(w.buf[:], watermarkMagic)
	binary.LittleEndian.PutUint64(w.buf[8:], batches)
	binary.LittleEndian.PutUint32(w.buf[16:], crc32.Checksum(w.buf[:16], castagnoli))
	_, err := w.file.WriteAt(w.buf[:], 0)
	return err
}

// close makes batches the last word, durably.
func (w *watermark) close(batches uint64) error {
	return errors.Join(w.set(batches), w.file.Sync(), w.file.Close())
}
