package rejoin

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Local is the rejoin of the server on this machine that would listen on a port, if there is one: the
// process of this command, which has that server's lock file. host is how the server is asked for. The
// error says that there is one, and that this user may not see which.
func Local(host string, port uint16) (*Progress, error) {
	if !isHere(host) {
		return nil, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var hidden error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir, ok := dataDirOf(pid)
		if !ok {
			continue
		}
		has, err := lockedPort(dir)
		var p *Progress
		if err == nil && has == port {
			p, err = readProgress(dir)
		}
		if errors.Is(err, os.ErrPermission) {
			hidden = fmt.Errorf("process %d makes the data of a server on this machine anew: ask as the user that runs it", pid)
		} else if err == nil && p != nil && p.PID == pid {
			return p, nil
		}
	}
	return nil, hidden
}

// dataDirOf is the data directory that a process makes anew, if it does.
func dataDirOf(pid int) (dir string, ok bool) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
	if err != nil || len(words) < 4 || filepath.Base(words[0]) != "pgraft" || words[1] != "rejoin" || words[2] != "--data-directory" {
		return "", false
	}
	return words[3], true
}

// lockedPort is in the lock file of a server: its fourth line.
func lockedPort(dataDir string) (uint16, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, lockFile))
	if err != nil {
		return 0, err
	}
	l := strings.Split(string(text), "\n")
	if len(l) < 4 {
		return 0, fmt.Errorf("%s has %d lines", filepath.Join(dataDir, lockFile), len(l))
	}
	port, err := strconv.ParseUint(strings.TrimSpace(l[3]), 10, 16)
	return uint16(port), err
}

// isHere says that a host of a connection string is this machine.
func isHere(host string) bool {
	if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return true
	}
	here, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if ip.IsLoopback() {
			return true
		}
		for _, a := range here {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
				return true
			}
		}
	}
	return false
}
