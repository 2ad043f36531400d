package rejoin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"time"
)

// Progress is how far a rejoin has come, for who asks on the machine itself: no server answers there.
type Progress struct {
	DataDir string    `json:"data_directory"`
	PID     int       `json:"pid"`
	Step    Step      `json:"step"`
	Source  string    `json:"source,omitempty"` // host:port of the primary
	Why     string    `json:"why,omitempty"`    // it waits, or tries again
	Began   time.Time `json:"began"`            // of the whole, over all starts of the server
	Since   time.Time `json:"since"`            // of the step
	Done    int64     `json:"bytes_done,omitempty"`
	Total   int64     `json:"bytes_total,omitempty"` // about; 0: not known
}

// Step is what is being done.
type Step string

const (
	Begins   Step = "begin"
	Waits    Step = "wait"
	Recovers Step = "recover"
	Rewinds  Step = "rewind"
	Clones   Step = "clone"
	Finishes Step = "finish"
)

// what is a step in words.
var what = map[Step]string{Begins: "it looks what can be done", Waits: "it waits for a primary to make it from", Recovers: "it recovers alone", Rewinds: "pg_rewind onto the primary",
	Clones: "pg_basebackup of the primary", Finishes: "its own files come back"}

func (p *Progress) String() string {
	text := "its data is being made anew since " + at(p.Began) + ": " + what[p.Step]
	if p.Source != "" {
		text += " at " + p.Source
	}
	text += " since " + at(p.Since)
	if p.Total > 0 {
		text += fmt.Sprintf(", %d of %d MB", p.Done>>20, p.Total>>20)
	}
	if p.Why != "" {
		text += ": " + p.Why
	}
	return text
}

func at(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// progressSuffix is of its file, beside the data directory.
const progressSuffix = ".pgraft_rejoin_progress"

// progressEvery is how often the file says how many bytes there are.
const progressEvery = time.Second

// starts takes over since when, where the file is there.
func (h *helper) starts() {
	h.progress = Progress{DataDir: h.named, PID: os.Getpid(), Began: time.Now()}
	var before Progress
	if text, err := os.ReadFile(h.named + progressSuffix); err == nil && json.Unmarshal(text, &before) == nil && !before.Began.IsZero() {
		h.progress.Began = before.Began
	}
	h.does(Begins, "", nil)
}

// does has the file say what is being done. It only informs: that it cannot be written is logged.
func (h *helper) does(s Step, source string, why error) {
	p := &h.progress
	if p.Step != s || p.Source != source {
		p.Since = time.Now()
	}
	p.Step, p.Source, p.Why, p.Done, p.Total = s, source, "", 0, 0
	if why != nil {
		p.Why = why.Error()
	}
	h.shows()
}

func (h *helper) shows() {
	h.shown = time.Now()
	text, err := json.MarshalIndent(&h.progress, "", "  ")
	path := h.named + progressSuffix
	if err == nil {
		err = errors.Join(os.WriteFile(path+".new", append(text, '\n'), 0o600), os.Rename(path+".new", path))
	}
	if err != nil {
		h.say("how far it is cannot be shown: %v", err)
	}
}

// printed takes what a program prints: how far it is goes to the file, all else on.
type printed struct {
	h    *helper
	to   io.Writer
	line []byte // that is not at its end
}

func (w *printed) Write(b []byte) (int, error) {
	w.line = append(w.line, b...)
	for {
		end := bytes.IndexAny(w.line, "\r\n")
		if end < 0 {
			return len(b), nil
		}
		line := w.line[:end+1]
		if done, all, ok := Copied(string(line)); ok {
			w.h.progress.Done, w.h.progress.Total = done, all
			if time.Since(w.h.shown) >= progressEvery {
				w.h.shows()
			}
		} else if _, err := w.to.Write(line); err != nil {
			return 0, err
		}
		w.line = w.line[end+1:]
	}
}

// end takes the rest.
func (w *printed) end() error {
	_, err := w.to.Write(w.line)
	w.line = nil
	return err
}

var copied = regexp.MustCompile(`^\s*(\d+)/(\d+) kB \(`)

// Copied reads a line that pg_basebackup or pg_rewind prints with --progress, in bytes.
func Copied(line string) (done, all int64, ok bool) {
	m := copied.FindStringSubmatch(line)
	if m == nil {
		return 0, 0, false
	}
	done, err := strconv.ParseInt(m[1], 10, 54)
	all, err2 := strconv.ParseInt(m[2], 10, 54)
	return done << 10, all << 10, err == nil && err2 == nil
}

// readProgress is nil where there is no file.
func readProgress(dataDir string) (*Progress, error) {
	text, err := os.ReadFile(dataDir + progressSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	p := &Progress{}
	return p, json.Unmarshal(text, p)
}
