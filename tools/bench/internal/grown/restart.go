package grown

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/proc"
)

// readSeed draws the entries that are read.
const readSeed = 1

// Serve opens a log, and says so on out in a line. For each number that it reads from in
// it reads so many random entries, and answers with a bench.Latency in a line. It ends
// with in.
func Serve(ctx context.Context, p Place, in io.Reader, out io.Writer) (err error) {
	l, err := Open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if _, err := fmt.Fprintln(out, "open"); err != nil {
		return err
	}
	for {
		var reads int
		if _, err := fmt.Fscan(in, &reads); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		latency, err := l.Read(ctx, reads, readSeed)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(latency); err != nil {
			return err
		}
	}
}

// Main is Serve with a place as JSON.
func Main(ctx context.Context, place string, in io.Reader, out io.Writer) error {
	var p Place
	if err := json.Unmarshal([]byte(place), &p); err != nil {
		return fmt.Errorf("the place %s: %w", place, err)
	}
	return Serve(ctx, p, in, out)
}

// Restart starts a command that calls Main, with a place after it, reads so many
// random entries there, and ends it.
func Restart(ctx context.Context, command []string, p Place, reads int) (o record.Opened, err error) {
	place, err := json.Marshal(p)
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], string(place))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal is this program's business
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return o, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return o, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return o, err
	}
	err = ask(&o, cmd.Process.Pid, began, in, bufio.NewReader(out), reads)
	err = errors.Join(err, in.Close())
	if ended := cmd.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", filepath.Base(command[0]), ended))
	}
	return o, err
}

// ask asks a process that was just started.
func ask(o *record.Opened, pid int, began time.Time, in io.Writer, out *bufio.Reader, reads int) error {
	line, err := out.ReadString('\n')
	if err != nil || line != "open\n" {
		return fmt.Errorf("the process said %q: %w", line, err)
	}
	o.Answers = time.Since(began).Seconds()
	if o.Memory, err = proc.PSS(pid); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(in, reads); err != nil {
		return err
	}
	text, err := out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the process said %q: %w", text, err)
	}
	var latency bench.Latency
	if err := json.Unmarshal(text, &latency); err != nil {
		return err
	}
	o.Reads, o.Get = reads, latency
	o.After, err = proc.PSS(pid)
	return err
}

// Disk is what the files of a log store take. What lies in a directory beside them is the
// flight recorder's.
func Disk(p Place) (n int64, err error) {
	err = filepath.WalkDir(p.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != p.DataDir {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	return n, err
}
