package view

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
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

// What is known of failover comes with a run that has it, and only with that: for other
// runs the page's data are what they were.
func TestFailoverColumns(t *testing.T) {
	h, err := historytest.Failover()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		h    *history.History
		want bool
	}{{incident(t), false}, {h, true}} {
		head, texts := unpack(t, c.h)
		for _, name := range []string{"server", "epoch", "stage", "primary", "of_log", "of_host", "of_fence"} {
			if got := slices.ContainsFunc(head.Columns, func(x column) bool { return x.Name == name }); got != c.want {
				t.Errorf("column %s: %v, want %v", name, got, c.want)
			}
		}
		if (len(head.Servers) > 0) != c.want || (len(head.Stages) > 0) != c.want {
			t.Errorf("states %q, stages %q", head.Servers, head.Stages)
		}
		for _, text := range []string{"epoch\t2, granted\tprimary\tnode 2, boot 1", "server\tin recovery\tsealed\tup to epoch 1", "fence\tepoch 2, boot 1: failover on"} {
			if got := strings.Contains(texts, text); got != c.want {
				t.Errorf("text %q: %v, want %v", text, got, c.want)
			}
		}
	}
}

// unpack is the header of a page's data, and its texts with the columns before them.
func unpack(t *testing.T, h *history.History) (head header, rest string) {
	t.Helper()
	data, err := encode(h)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint32(all)
	if err := json.Unmarshal(all[4:4+n], &head); err != nil {
		t.Fatal(err)
	}
	return head, string(all[4+n:])
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
