// Package rapidtest makes tests that package rapid draws the same in every run, so
// that a test either always passes or always fails for one state of the code.
package rapidtest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Main is the TestMain of a package whose tests call rapid.Check. They draw from
// seed 1 unless the command line gives another: go test ./core -run Rapid
// -rapid.seed=7 -rapid.checks=10000. more sets other flags of rapid by name. Main
// does not return.
func Main(m *testing.M, more map[string]string) {
	flag.Parse()
	if _, err := Set(map[string]string{"rapid.seed": "1", "rapid.nofailfile": "true"}, more); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// Set sets flags that the command line does not give, and returns a function that
// sets them back. A flag that does not exist is left out.
func Set(values ...map[string]string) (undo func() error, err error) {
	given, old := map[string]bool{}, map[string]string{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, v := range values {
		for name, value := range v {
			f := flag.Lookup(name)
			if f == nil || given[name] {
				continue
			}
			old[name] = f.Value.String()
			// Not flag.Set, after which the flag would look as if it was given.
			if err := f.Value.Set(value); err != nil {
				return nil, fmt.Errorf("-%s=%s: %w", name, value, err)
			}
		}
	}
	return func() error {
		for name, value := range old {
			if err := flag.Lookup(name).Value.Set(value); err != nil {
				return err
			}
		}
		return nil
	}, nil
}
