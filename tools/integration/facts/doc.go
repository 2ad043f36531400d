// Package facts shows on real PostgreSQL servers what the design of failover rests on:
// what a standby counts as flushed, where WAL ends, which timeline a promotion takes,
// when pg_rewind does nothing. The extension is not loaded. One fact is one test, named
// as in README.md; a PostgreSQL in which one no longer holds fails it.
//
//	PGRAFT_PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config \
//		go test -tags integration -count=1 -v ./tools/integration/facts
//
// TestServer shows the same servers what pgext/server makes of such facts: its functions,
// in a library that the test builds. The extension is not loaded there either.
//
// Facts about pg_rewind are skipped where PostgreSQL comes without that program.
// `make test-facts` runs them all.
//
// The servers run with fsync = off. They die as processes, and what a process has
// written the kernel keeps: none of these facts is about a machine that loses power.
// Their WAL segments are of 1 MB, so that little WAL fills one.
package facts
