package recorder

import "fmt"

// What files and directories are made with, less the umask of the process: a
// server sets that by its data directory, and lets its group read or not.
const (
	fileMode = 0o640
	dirMode  = 0o750
)

// Mode says what is recorded.
type Mode int

const (
	Off  Mode = iota
	Ring      // the oldest files go when there are more than Settings.MaxBytes
	Full      // nothing goes
)

// Settings can change while a node runs.
type Settings struct {
	Mode Mode
	// MaxBytes bounds the files of a ring, at least MinBytes. What Save and a
	// panic put aside is not counted.
	MaxBytes int64
	// Redact leaves out what users replicate: bytes of the same length that its
	// hash decides stand in for it. A hash tells who guesses the data that the
	// guess is right.
	Redact bool
}

// MinBytes is the smallest ring. The checkpoint that each file begins with takes
// some 9 MB once a node has replicated much, and must not be over three eighths.
const MinBytes = 32 << 20

// Validate refuses what cannot work.
func (s Settings) Validate() error {
	if s.Mode < Off || s.Mode > Full {
		return fmt.Errorf("recorder: mode %d", s.Mode)
	}
	if s.Mode == Ring && s.MaxBytes < MinBytes {
		return fmt.Errorf("recorder: %d bytes for the ring, at least %d are needed", s.MaxBytes, MinBytes)
	}
	return nil
}
