package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// fileSystems names those by their magic numbers (statfs(2)) that a server's files
// are usually on.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.F2FS_SUPER_MAGIC: "f2fs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", 0x2FC12FC1: "zfs", unix.NFS_SUPER_MAGIC: "nfs",
}

// inMemory are those that have no disk.
var inMemory = map[int64]string{unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs"}

// environment describes the machine; the file system is that of dir.
func environment(dir string) (record.Environment, error) {
	env := record.Environment{Method: record.Method, Processors: runtime.NumCPU(), Processor: "unknown"}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return env, fmt.Errorf("the file system of %s: %w", dir, err)
	}
	if name, ok := inMemory[int64(fs.Type)]; ok {
		return env, fmt.Errorf("%s is on a %s, where fsync does nothing: name a directory on a disk with --dir", dir, name)
	}
	if env.FileSystem = fileSystems[int64(fs.Type)]; env.FileSystem == "" {
		env.FileSystem = fmt.Sprintf("file system %#x", int64(fs.Type))
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return env, fmt.Errorf("the kernel's version: %w", err)
	}
	env.Kernel = unix.ByteSliceToString(name.Release[:])
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return env, fmt.Errorf("the machine's memory: %w", err)
	}
	env.MemoryBytes = int64(info.Totalram) * int64(info.Unit)
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return env, fmt.Errorf("the processor: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			env.Processor = strings.TrimSpace(value)
			break
		}
	}
	return env, nil
}

// loadAverage is the machine's over the last minute.
func loadAverage() (load float64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	if err != nil {
		return 0, fmt.Errorf("the machine's load: %w", err)
	}
	return load, nil
}
