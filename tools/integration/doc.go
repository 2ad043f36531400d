// Package integration tests the extension on clusters of real PostgreSQL servers
// that it starts itself on the loopback interface:
//
//	PGRAFT_PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config \
//		go test -tags integration -count=1 ./tools/integration
//
// PGRAFT_PG_CONFIG names the pg_config of a PostgreSQL that the extension is
// installed in. With -short, a shorter set runs, for one more PostgreSQL version
// on the same machine. One scenario alone:
//
//	... -run 'TestIntegration/kills_the_leader_under_load'
//
// The scenarios share one cluster of three, each leaves it whole, and one that
// fails leaves the next one a new cluster.
package integration
