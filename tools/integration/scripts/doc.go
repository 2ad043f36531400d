// Package scripts runs the stories of testdata/sql on real PostgreSQL servers.
// Its tests need the tag integration and an installed extension; README.md has
// the language. `make check-sql` runs them.
package scripts
