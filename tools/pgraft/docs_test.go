package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A line of an example that calls the command, as pages and the command's own
// help have it: with or without an indentation, a comment, a redirection.
var (
	commandLine = regexp.MustCompile(`^ *(?:build/)?pgraft ([a-z].*)$`)
	shellWord   = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	shellEnd    = regexp.MustCompile(` +[#|>].*$|  +\S.*$`) // two spaces: what it does, in words
)

// parses says whether the command line could be carried out, as far as its
// command and its flags go.
func parses(line string) error {
	var args []string
	for _, w := range shellWord.FindAllString(shellEnd.ReplaceAllString(line, ""), -1) {
		args = append(args, strings.Trim(w, `'"`))
	}
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// The commands in the documents and in the examples of the help are commands.
func TestDocumentedCommands(t *testing.T) {
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "pgext/*.md", "testdata/trace/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(b)
		}
	}
	for _, cmd := range newRoot().Commands() {
		texts[cmd.CommandPath()+" --help"] = cmd.Example
		if cmd.Example == "" && !cmd.HasSubCommands() && !cmd.Hidden && cmd.Name() != "version" {
			t.Errorf("%s --help has no examples", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			texts[sub.CommandPath()+" --help"] = sub.Example
		}
	}
	found := map[string]int{}
	for name, text := range texts {
		text = strings.ReplaceAll(text, "\\\n", " ")
		n := 0
		for line := range strings.Lines(text) {
			n++
			m := commandLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
			if m == nil || strings.HasPrefix(line, "pgraft") && strings.HasSuffix(name, ".md") && !inFence(text, n) {
				continue
			}
			if strings.Contains(m[1], "$(") {
				continue // a shell has to say what it is
			}
			found[strings.Fields(m[1])[0]]++
			if err := parses(m[1]); err != nil {
				t.Errorf("%s:%d: pgraft %s: %v", name, n, m[1], err)
			}
		}
	}
	for _, verb := range []string{"demo", "node", "status", "bench", "certs", "replay", "view", "sim"} {
		if found[verb] == 0 {
			t.Errorf("no example of pgraft %s; found %v", verb, found)
		}
	}
}

// inFence says whether a line of a page is in a fenced block.
func inFence(text string, line int) bool {
	in := false
	for i, l := range strings.Split(text, "\n") {
		if i+1 == line {
			break
		}
		if strings.HasPrefix(l, "```") {
			in = !in
		}
	}
	return in
}

func TestParses(t *testing.T) {
	for line, ok := range map[string]bool{
		"demo --nodes 5": true, "demo --nodse 5": false, "dmeo": false, "demo stop DIR": true, "demo stop": false,
		"node --node-id 1": false, "view a -o b   draw it": true, "status 'host=a port=1' # comment": true, "bench --clients many": false,
	} {
		if err := parses(line); (err == nil) != ok {
			t.Error(fmt.Errorf("pgraft %s: %w", line, err))
		}
	}
}
