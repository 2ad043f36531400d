// Package failover holds tests of servers that fail over: a primary is killed, another server
// becomes primary, and no acknowledged commit is lost. They need build tag integration; make
// test-failover runs them.
package failover
