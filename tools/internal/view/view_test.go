package view

import (
	"bytes"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

func incident(t *testing.T) *history.History {
	t.Helper()
	h, err := historytest.Incident()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The page is one file: nothing in it names another file or a server, and every
// script in the folder is in it.
func TestPageIsWhole(t *testing.T) {
	h := incident(t)
	h.Name = `a <b> & "c"`
	var b bytes.Buffer
	if err := Write(&b, h); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, bad := range []string{"src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest", "{{", "<b> &"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if found := regexp.MustCompile(`https?://[^"]*`).FindAllString(text, -1); slices.ContainsFunc(found, func(s string) bool { return s != "http://www.w3.org/2000/svg" }) {
		t.Errorf("the page names servers: %q", found)
	}
	if !strings.Contains(text, "<title>a &lt;b&gt; &amp; &#34;c&#34; - pgraft view</title>") {
		t.Error("the title is not escaped")
	}
	files, err := fs.Glob(page, "page/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(scripts, strings.TrimPrefix(f, "page/")) {
			t.Errorf("%s is not part of the page", f)
		}
	}
}

func TestEmptyHistory(t *testing.T) {
	err := Write(new(bytes.Buffer), &history.History{Name: "none"})
	if err == nil || !strings.Contains(err.Error(), "none has no steps") {
		t.Errorf("error %v", err)
	}
}

// The same history gives the same page.
func TestSamePage(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := Write(w, incident(t)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("pages of %d and %d bytes differ", a.Len(), b.Len())
	}
}
