// Package pages reads the project's Markdown pages for the tests that keep them
// true: Read takes one apart, Matches compares what a page says is printed with
// what is.
//
// An SQL example says in its fence which servers run it, or why none does. What
// it prints follows at once, in a block of its own:
//
//	```sql node=1,2
//	SELECT 1;
//	```
//	```text
//	...
//	```
//
//	```sql norun the reason
//	...
//	```
//
// A comment <!-- test: ... --> on a line of its own does what the text around it
// tells the reader to do in a shell.
package pages

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Item is a fenced block or a test's comment, in the order of the page.
type Item struct {
	Line  int    // of the fence or the comment
	Lang  string // the first word after the fence; "test" for a comment
	Info  string // the rest of that line; the comment's text
	Text  string // without the fences, each line with its end
	After bool   // nothing but empty lines is between the item before and this one
}

// Page is a Markdown file.
type Page struct {
	Items    []Item
	Headings []string // their texts, as written
	Links    []Link
}

// Link is a link or a picture that goes to no other host.
type Link struct {
	Line   int
	Target string // like ../README.md#status
}

var (
	comment = regexp.MustCompile(`^<!-- test: (.*?) -->$`)
	heading = regexp.MustCompile(`^#{1,6} (.*)$`)
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)|(?:src|href)="([^"]+)"`)
	remote  = regexp.MustCompile(`^[a-z]+:`)
)

// Read reads a page. An error names the page and what is wrong with it.
func Read(path string) (Page, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Page{}, fmt.Errorf("pages: %w", err)
	}
	p, err := parse(string(b))
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func parse(text string) (Page, error) {
	var p Page
	var open *Item // the block that is being read
	after := false
	n := 0
	for line := range strings.Lines(text) {
		n++
		bare := strings.TrimRight(line, "\r\n")
		fence := strings.HasPrefix(bare, "```")
		switch {
		case open != nil && bare == "```":
			p.Items = append(p.Items, *open)
			open, after = nil, true
		case open != nil:
			open.Text += line
		case fence:
			lang, info, _ := strings.Cut(strings.TrimPrefix(bare, "```"), " ")
			open = &Item{Line: n, Lang: lang, Info: strings.TrimSpace(info), After: after}
		case comment.MatchString(bare):
			p.Items = append(p.Items, Item{Line: n, Lang: "test", Info: comment.FindStringSubmatch(bare)[1]})
			after = false
		default:
			after = after && strings.TrimSpace(bare) == ""
			p.prose(n, bare)
		}
	}
	if open != nil {
		return Page{}, fmt.Errorf("line %d: the block never ends", open.Line)
	}
	return p, nil
}

func (p *Page) prose(n int, line string) {
	if strings.HasPrefix(line, "    ") { // a block by indentation
		return
	}
	if m := heading.FindStringSubmatch(line); m != nil {
		p.Headings = append(p.Headings, m[1])
	}
	for _, m := range link.FindAllStringSubmatch(line, -1) {
		if target := m[1] + m[2]; !remote.MatchString(target) {
			p.Links = append(p.Links, Link{n, target})
		}
	}
}

// Nodes are the servers that an SQL block names; none if it names none.
func (i Item) Nodes() ([]int, error) {
	list, ok := strings.CutPrefix(i.Info, "node=")
	if !ok {
		return nil, nil
	}
	var ids []int
	for word := range strings.SplitSeq(list, ",") {
		id, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("line %d: node=%s: %w", i.Line, list, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Reason is why an SQL block is not run.
func (i Item) Reason() string {
	reason, ok := strings.CutPrefix(i.Info, "norun ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(reason)
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// Anchor is what a link to a heading says after the #, as code hosts make it.
func Anchor(heading string) string {
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

var (
	blanks = regexp.MustCompile(`[ \t]+`)
	rules  = regexp.MustCompile(`-+`)
)

// Matches says whether got is what a page says. Both are compared line by line,
// whatever the widths of columns are; "…" stands for anything within a line.
func Matches(page, got string) bool {
	want, have := normal(page), normal(got)
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		parts := strings.Split(want[i], "…")
		for j := range parts {
			parts[j] = regexp.QuoteMeta(parts[j])
		}
		if !regexp.MustCompile(`^` + strings.Join(parts, `.*`) + `$`).MatchString(have[i]) {
			return false
		}
	}
	return true
}

func normal(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(blanks.ReplaceAllString(line, " "))
		if strings.Trim(line, "-+") == "" { // the line below the names of columns
			line = rules.ReplaceAllString(line, "-")
		}
		lines = append(lines, line)
	}
	return lines
}
