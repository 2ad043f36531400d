package bench

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	var all []time.Duration
	for i := range 1000 {
		all = append(all, time.Duration(i+1)*time.Millisecond)
	}
	slices.Reverse(all)
	if got, want := LatencyOf(all), (Latency{1, 500.5, 500, 900, 990, 999, 1000}); got != want {
		t.Errorf("of 1 to 1000 ms: %+v, want %+v", got, want)
	}
	if got, want := LatencyOf([]time.Duration{time.Second}), (Latency{1000, 1000, 1000, 1000, 1000, 1000, 1000}); got != want {
		t.Errorf("of one: %+v", got)
	}
}

func TestSum(t *testing.T) {
	o := Options{Clients: 2, Duration: 2 * time.Second, Size: 10}
	one := Taken{Took: []time.Duration{time.Millisecond, 2 * time.Millisecond}, Failed: map[string]int{"40003": 1}}
	two := Taken{Took: []time.Duration{3 * time.Millisecond}, Failed: map[string]int{"40003": 1, "connection": 1}, Last: errors.New("reset")}
	r, err := sum(Sum([]Taken{one, two}), o)
	if err != nil || r.Entries != 3 || r.PerSecond != 1.5 || r.Failed["40003"] != 2 || r.Failed["connection"] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	const want = `2 sessions, entries of 10 bytes, 2.0 s
entries   3 acknowledged, 2 a second
failed    2 with 40003, 1 with connection
latency   min 1.0  mean 2.0  p50 2.0  p90 3.0  p99 3.0  p99.9 3.0  max 3.0 ms
`
	if got := r.Text(); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	two.Took = nil
	if _, err := sum(Sum([]Taken{two, {}}), o); err == nil || !strings.Contains(err.Error(), "no entry was acknowledged; the last error: reset") {
		t.Errorf("without an entry: %v", err)
	}
	if _, err := sum(Sum([]Taken{{}}), o); err == nil || !strings.Contains(err.Error(), "longer than --duration") {
		t.Errorf("with nothing at all: %v", err)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Clients: 1, Duration: time.Second, Size: 1}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Options){
		"--clients 0: want 1 to 1000":     func(o *Options) { o.Clients = 0 },
		"--clients 1001: want 1 to 1000":  func(o *Options) { o.Clients = 1001 },
		"--duration 0s: must be positive": func(o *Options) { o.Duration = 0 },
		"--size 0: want 1 to 16777216":    func(o *Options) { o.Size = 0 },
	} {
		o := good
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
