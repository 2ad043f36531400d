package replay

import (
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Every file's version counts, each difference once.
func TestVersions(t *testing.T) {
	header := func(build string, protocol uint64) *File {
		return &File{Header: trace.Header{Build: build, Protocol: protocol}}
	}
	inc := &Incident{Nodes: []*Node{
		{Files: []*File{header("own", core.NewestVersion), header("old", core.NewestVersion), header("old", core.NewestVersion)}},
		{Files: []*File{header("own", core.NewestVersion+1), header("", core.NewestVersion)}},
	}}
	others, unknown := inc.Versions("own")
	if len(others) != 2 || len(unknown) != 1 {
		t.Errorf("others %q, unknown %q", others, unknown)
	}
	for i, want := range []string{"(build old, this is build own)", "build own of protocol 4, this is build own of protocol 3"} {
		if i < len(others) {
			wants(t, "another version", others[i], "recorded by another version of the core", want, "differences are to be expected")
		}
	}
	if others, unknown = inc.Versions(""); len(others) != 1 || len(unknown) != 3 {
		t.Errorf("of an unknown build: others %q, unknown %q", others, unknown)
	}
}
