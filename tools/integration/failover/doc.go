// Package failover holds tests of servers that fail over: a primary is killed, stopped or cut off,
// another server becomes primary, and no acknowledged commit is lost. Clients' commits are kept in
// a ledger, and what is asserted is what clients see. They need build tag integration; make
// test-failover runs a few of them, make failover-test all. Those that cut networks need root.
package failover
