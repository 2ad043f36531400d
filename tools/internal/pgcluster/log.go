package pgcluster

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

var (
	warningLine = regexp.MustCompile(` (WARNING|ERROR|FATAL|PANIC):  `)
	// a session that was still open at a fast shutdown: no fault of the server's
	stopLine = regexp.MustCompile(` client backend FATAL:  terminating connection due to administrator command`)
	// clients that came while the server was on its way up or down
	notUpLine = regexp.MustCompile(` FATAL:  the database system is |DETAIL:  Consistent recovery state has not been yet reached`)
	// what belongs to the line before: DETAIL, HINT, and lines that go on
	followLine = regexp.MustCompile(` (DETAIL|HINT|CONTEXT|STATEMENT):  |^\t`)
)

// LogSize is how long the server's log is now, in bytes: an offset for
// LogWarnings.
func (s *Server) LogSize() (int64, error) {
	info, err := os.Stat(s.LogPath)
	if err != nil {
		return 0, fmt.Errorf("pgcluster: log of node %d: %w", s.NodeID, err)
	}
	return info.Size(), nil
}

// LogWarnings returns the messages from offset on that are WARNING or worse,
// each with its DETAIL and HINT, but for what every fast shutdown leaves there.
func (s *Server) LogWarnings(offset int64) ([]string, error) {
	text, err := os.ReadFile(s.LogPath)
	if err != nil {
		return nil, fmt.Errorf("pgcluster: log of node %d: %w", s.NodeID, err)
	}
	var found []string
	in := false
	for line := range strings.Lines(string(text[min(offset, int64(len(text))):])) {
		switch {
		case warningLine.MatchString(line) && !stopLine.MatchString(line):
			found, in = append(found, line), true
		case in && followLine.MatchString(line):
			found[len(found)-1] += line
		default:
			in = false
		}
	}
	return found, nil
}

// LogTail is a heading and the last n lines of the server's log, for people.
// Clients that were turned away while it started or stopped are left out.
func (s *Server) LogTail(n int) string {
	text, err := os.ReadFile(s.LogPath)
	if err != nil {
		return fmt.Sprintf("(no log of node %d: %v)", s.NodeID, err)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	lines = slices.DeleteFunc(lines, notUpLine.MatchString)
	if cut := len(lines) - n; cut > 0 {
		lines = lines[cut:]
	}
	return fmt.Sprintf("--- the last lines of %s:\n%s", s.LogPath, strings.Join(lines, "\n"))
}
