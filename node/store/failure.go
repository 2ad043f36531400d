package store

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// change is a kind of call that changes something on the disk.
type change string

const (
	changeCreate change = "create"
	changeOpen   change = "open"
	changeLink   change = "link"
	changeRename change = "rename"
	changeMkdir  change = "mkdir"
	changeRemove change = "remove"
	changeWrite  change = "write"
	changeSync   change = "sync"
	changeClose  change = "close"
)

// lacksRoom says that a call failed with err because the disk, or a quota on it, is
// full, and that nothing else is wrong: what the call asked for has not happened, but
// for the bytes that a write says it has taken, and what was written before is as it
// was. Such a call can be made again.
//
// Every other failure is final. That a sync or a close finds no room is one of them:
// the bytes that it is about were taken earlier, and may be gone from memory too
// (Rebello et al., Can Applications Recover from fsync Failures, ATC 20).
func (c change) lacksRoom(err error) bool {
	if c == changeSync || c == changeClose {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// reserving are the file systems that find room for a write before they take it.
// Others, NFS above all, tell a write that an earlier one of them, which they had
// taken, has found no room: for those a full disk is a failed sync.
var reserving = map[int64]bool{
	unix.EXT4_SUPER_MAGIC:      true, // ext2 and ext3 too
	unix.XFS_SUPER_MAGIC:       true,
	unix.BTRFS_SUPER_MAGIC:     true,
	unix.F2FS_SUPER_MAGIC:      true,
	unix.TMPFS_MAGIC:           true,
	unix.OVERLAYFS_SUPER_MAGIC: true, // on one of the others: NFS cannot be written through it
	0x2fc12fc1:                 true, // ZFS
	0xca451a4e:                 true, // bcachefs
}

// reserves says whether the file system of dir is one of them. A directory that the
// operating system does not know is a test's, in memory.
func reserves(dir string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return errors.Is(err, syscall.ENOENT)
	}
	return reserving[int64(fs.Type)]
}
