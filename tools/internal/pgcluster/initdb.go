package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// fresh is a data directory as initdb makes it, in memory. initdb takes more than a second of
// a processor, and a test makes many servers: one is made for each program and its options,
// and all servers are copies of it, with one system identifier.
type fresh struct {
	mu    sync.Mutex
	files []freshFile // directories before what is in them; none until initdb has run
}

type freshFile struct {
	name string // below the data directory
	mode fs.FileMode
	data []byte
}

// freshOnes are the *fresh of this process by command line.
var freshOnes sync.Map

// initdb makes the data directory as initdb does.
func (s *Server) initdb(ctx context.Context) error {
	args := append([]string{s.Install.bin("initdb"), "--username=postgres", "--auth=trust", "--encoding=UTF8",
		"--locale=C.UTF-8", "--no-sync"}, s.cluster.config.Initdb...)
	found, _ := freshOnes.LoadOrStore(strings.Join(args, "\x00"), &fresh{})
	f := found.(*fresh)
	f.mu.Lock() // others of the same kind wait for the first
	defer f.mu.Unlock()
	if f.files != nil {
		if err := f.write(s); err != nil {
			return fmt.Errorf("pgcluster: data directory of node %d: %w", s.NodeID, err)
		}
		return s.configure()
	}
	cmd := exec.CommandContext(ctx, args[0], append(args[1:], "--pgdata="+s.DataDir)...)
	cmd.Dir = s.dir
	s.cluster.account.prepare(cmd)
	if out, err := cmd.CombinedOutput(); ctx.Err() != nil {
		return fmt.Errorf("initdb of node %d: %w", s.NodeID, ctx.Err())
	} else if err != nil {
		return fmt.Errorf("initdb of node %d as user %s: %w\n%s", s.NodeID, s.cluster.account.name, err, out)
	}
	if err := f.read(s.DataDir); err != nil {
		return fmt.Errorf("pgcluster: read what initdb made: %w", err)
	}
	return s.configure()
}

// configure has what initdb made belong to this cluster.
func (s *Server) configure() error {
	if s.cluster.config.Place != nil { // initdb trusts this machine's own connections only
		if err := s.trustAll(); err != nil {
			return err
		}
	}
	return s.writeConf()
}

func (f *fresh) read(dir string) error {
	var files []freshFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		file := freshFile{name: name, mode: info.Mode()}
		if !d.IsDir() {
			if file.data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		files = append(files, file)
		return nil
	})
	if err == nil {
		f.files = files
	}
	return err
}

func (f *fresh) write(s *Server) error {
	for _, file := range f.files {
		path := filepath.Join(s.DataDir, file.name)
		var err error
		if file.mode.IsDir() {
			err = os.Mkdir(path, file.mode.Perm())
		} else {
			err = os.WriteFile(path, file.data, file.mode.Perm())
		}
		if err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(path, file.mode.Perm()), s.cluster.account.own(path)); err != nil { // whatever the umask is
			return err
		}
	}
	return nil
}
