// Package fence tests the fence of failover (pgext/fence) on real servers: a primary and
// two streaming standbys, set up by hand. A module of the tests (testdata/publisher.c) stands
// in for the engine and publishes what that would. Each case asserts what a client sees; run
// it with make test-fence, and all of it, with builds in which a part of the fence is
// switched off, with make failover-test.
package fence
