package limits

import (
	"os"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/bench"
)

// TestMain is the other end of a round trip when it is told so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		if err := Echo(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	sync, err := Sync(dir, 256)
	if err != nil {
		t.Fatal(err)
	}
	trip, err := RoundTrip(256, os.Args[0], "echo")
	if err != nil {
		t.Fatal(err)
	}
	if len(sync.Processes()) != 0 || len(trip.Processes()) != 1 {
		t.Errorf("processes %v and %v, want none and one", sync.Processes(), trip.Processes())
	}
	taken, _, err := bench.Drive(t.Context(), bench.Window{Length: 200 * time.Millisecond}, []bench.Session{sync, trip})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir + "/fdatasync")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range taken {
		if len(s.Took) == 0 || s.Last != nil {
			t.Errorf("session %d: %d operations, %v", i, len(s.Took), s.Last)
		}
	}
	if least := int64(256 * len(taken[0].Took)); info.Size() < least {
		t.Errorf("%d bytes were appended, want %d at least", info.Size(), least)
	}
	for _, s := range []Session{sync, trip} {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := RoundTrip(256, "false"); err == nil {
		t.Error("a process that ends at once was taken for the other end")
	}
}
