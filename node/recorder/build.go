package recorder

import "runtime/debug"

// sources names the sources that the core was built from. The Makefile sets it
// when linking, as hash of core's files and of the modules' versions.
var sources string

// Build names the sources of the core in this process; empty if that is not
// known. Traces are compared only by a core of the same.
func Build() string {
	if sources != "" {
		return sources
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " with changes"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
