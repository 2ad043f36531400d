package replay

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// Versions says, a line each, which traces another version of the core recorded
// than own (see recorder.Build), and of which that is not known. It is to be said
// before anything is compared: it explains all differences.
func (inc *Incident) Versions(own string) (others, unknown []string) {
	add := func(l *[]string, format string, args ...any) {
		if line := fmt.Sprintf(format, args...); !slices.Contains(*l, line) {
			*l = append(*l, line)
		}
	}
	for _, n := range inc.Nodes {
		for _, f := range n.Files {
			switch h := f.Header; {
			case h.Protocol != core.NewestVersion:
				add(&others, "recorded by another version of the core: %s of protocol %d, this is %s of protocol %d; differences are to be expected",
					build(h.Build), h.Protocol, build(own), core.NewestVersion)
			case h.Build == "" || own == "":
				add(&unknown, "it is not known whether the traces are of the same version of the core (recorded by %s, this is %s)", build(h.Build), build(own))
			case h.Build != own:
				add(&others, "recorded by another version of the core (%s, this is %s): differences are to be expected; the pgraft that was installed with the server knows none",
					build(h.Build), build(own))
			}
		}
	}
	return others, unknown
}

func build(name string) string {
	if name == "" {
		return "an unknown build"
	}
	return "build " + name
}
