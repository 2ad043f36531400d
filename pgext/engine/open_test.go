package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A request that came before it was known that a person has to see to something is
// answered when that is known, and not when its time is up.
func TestRequestWaitsForNoPerson(t *testing.T) {
	b, _ := newBell(t)
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(config{}, newRecords(b), func(*status) {})
		answer, began := make(chan error, 1), time.Now()
		go func() {
			_, err := e.running(context.Background())
			answer <- err
		}()
		synctest.Wait() // it waits
		e.waitFor(&refusedError{text: "the setting x was refused"})
		var sql *sqlError
		if err := <-answer; !errors.As(err, &sql) || !sql.notStarted || time.Since(began) > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		e.end()
	})
}
