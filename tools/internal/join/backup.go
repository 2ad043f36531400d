package join

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// How often the progress of the copy is said, and how long pg_basebackup may take to clean up.
const (
	progressEvery = 2 * time.Second
	cleanLimit    = 30 * time.Second
)

// looksAgain decides whether data that was copied by a run before can still be used: the primary
// is to be the same, and to have the WAL that follows. Else it is copied anew.
func (j *joiner) looksAgain(ctx context.Context) error {
	if j.state.Stage != stageCopied {
		return j.keepsWAL(ctx)
	}
	c := &j.cluster
	if c.failsOver() == (j.state.From.Epoch > 0) && (!c.failsOver() || c.asked.Epoch == j.state.From.Epoch) {
		if err := j.keepsWAL(ctx); err != nil {
			return err
		}
		var there bool
		if err := j.conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_ls_waldir() WHERE name = $1", j.state.First).Scan(&there); err != nil {
			return err
		}
		if there {
			return nil
		}
	}
	j.say("the primary has no more of the WAL that the copy needs, or is another one: the data is copied anew")
	if err := j.at(stageCopying); err != nil {
		return err
	}
	return j.keepsWAL(ctx)
}

// keepsWAL has the primary keep its WAL from here on, for as long as this session lives: its
// slot is temporary, so nothing of it is left.
func (j *joiner) keepsWAL(ctx context.Context) error {
	how, err := j.replication()
	if err != nil || j.keeper != nil || j.state.Stage == stageAdded {
		return err
	}
	if j.keeper, err = how.at(j.cluster.host, strconv.Itoa(j.cluster.reached)).connect(ctx, true); err == nil {
		_, err = j.keeper.Exec(ctx, fmt.Sprintf("CREATE_REPLICATION_SLOT pgraft_join_%d TEMPORARY PHYSICAL RESERVE_WAL", j.state.NodeID))
	}
	if err != nil {
		return fmt.Errorf("a slot for the WAL that the copy needs: %w", explained(err, j.conn))
	}
	return nil
}

// copies is pg_basebackup, from the beginning.
func (j *joiner) copies(ctx context.Context) error {
	if err := j.empty(); err != nil {
		return err
	}
	how, err := j.replication()
	if err != nil {
		return err
	}
	j.say("copies %s from the primary at %s to %s", bytesText(j.cluster.size), j.cluster.address(), j.DataDir)
	args := []string{"-D", j.DataDir, "-X", "stream", "-c", "fast", "--no-password", "--progress", "-d", how.at(j.cluster.host, strconv.Itoa(j.cluster.reached)).String()}
	if err := j.basebackup(ctx, args); err != nil {
		return err
	}
	if err := j.source(ctx); err != nil {
		return err
	}
	return j.at(stageCopied)
}

// source asks the primary again whether it still is one, and notes whose the data is.
func (j *joiner) source(ctx context.Context) error {
	label, err := os.ReadFile(filepath.Join(j.DataDir, "backup_label"))
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`^START WAL LOCATION: \S+ \(file (\w+)\)`).FindSubmatch(label)
	if m == nil {
		return fmt.Errorf("backup_label begins with %q, and names no WAL file", firstLine(label))
	}
	j.state.First, j.state.From = string(m[1]), host.Source{}
	if !j.cluster.failsOver() {
		return nil
	}
	now, err := rejoin.Ask(ctx, j.conn)
	was := j.cluster.asked
	if err == nil && (!now.Primary || !now.Ready() || now.Epoch != was.Epoch || now.Timeline != was.Timeline) {
		err = errors.New("it is not the primary any more")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(filepath.Join(j.DataDir, host.DataFile))
	}
	if err != nil {
		return fmt.Errorf("the server at %s, of which the data is: %w", j.cluster.address(), err)
	}
	note, err := host.UnmarshalData(text)
	j.state.From = host.Source{Notes: note.Notes, Epoch: now.Epoch, Timeline: now.Timeline}
	return err
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line)
}

// basebackup runs it to its end, says how far it is, and ends it with this program.
func (j *joiner) basebackup(ctx context.Context, args []string) error {
	runtime.LockOSThread() // the parent, to Pdeathsig, is a thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, filepath.Join(j.BinDir, "pg_basebackup"), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGAPPNAME="+applicationName)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it removes what it has copied
	cmd.WaitDelay = cleanLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := j.follow(bufio.NewScanner(stderr))
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, said)
	}
	return nil
}

// follow says how far the copy is, and returns what else was printed.
func (j *joiner) follow(lines *bufio.Scanner) string {
	began, last, said := time.Now(), time.Now(), ""
	var other []string
	for lines.Scan() {
		done, all, ok := rejoin.Copied(lines.Text())
		if !ok {
			other = append(other, lines.Text())
			continue
		}
		j.bytes = done
		if now := time.Now(); done >= all || now.Sub(last) >= progressEvery {
			last = now
			if text := progressText(done, all, now.Sub(began)); text != said { // the end is printed twice
				said = text
				j.say("%s", text)
			}
		}
	}
	return strings.Join(other, "\n")
}

// progressText is how far a copy is. How much it is at all is known about only.
func progressText(done, all int64, took time.Duration) string {
	if done >= all || done == 0 || took < time.Second {
		return fmt.Sprintf("%s of %s copied, %d%%", bytesText(done), bytesText(max(all, done)), percent(done, all))
	}
	left := time.Duration(float64(took) * float64(all-done) / float64(done))
	return fmt.Sprintf("%s of %s copied, %d%%, %s left", bytesText(done), bytesText(all), percent(done, all), left.Round(time.Second))
}

func percent(done, all int64) int64 {
	if all == 0 || done >= all {
		return 100
	}
	return 100 * done / all
}
