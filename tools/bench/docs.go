package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
)

// What stands between these lines of the page is written by writeDocs.
const (
	docsPage    = "performance.md"
	docsPicture = "images/performance.svg"
	docsBegin   = "<!-- make bench-docs: begin -->\n"
	docsEnd     = "<!-- make bench-docs: end -->\n"
)

// writeDocs puts the tables of a run into the page of a directory, with its picture.
func writeDocs(run *record.Run, dir string) error {
	s := report.Summarise(run)
	if !s.HasPicture() {
		return errors.New("the results have no writes of 256 bytes, which the page is about")
	}
	picture, err := s.SVG()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, docsPage)
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	text, err := insert(string(page), s.Markdown()+"\n![Throughput against latency of writes, a line for each system and a point for each number of sessions]("+docsPicture+")\n")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(filepath.Join(dir, docsPicture), picture, 0o644); err != nil {
		return fmt.Errorf("the picture: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return nil
}

// insert replaces what stands between the two lines.
func insert(page, text string) (string, error) {
	head, rest, ok := strings.Cut(page, docsBegin)
	_, tail, ended := strings.Cut(rest, docsEnd)
	if !ok || !ended {
		return "", fmt.Errorf("it lacks the lines %q and %q", strings.TrimSpace(docsBegin), strings.TrimSpace(docsEnd))
	}
	return head + docsBegin + text + docsEnd + tail, nil
}
