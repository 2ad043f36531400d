// Package boot tests how a server that fails over starts (pgext/boot), on real servers whose
// notes the test writes, as core/failover/host has them: as a standby that is fenced, after
// whatever ended it, or not at all. No engine runs: the library is built from its sources, and
// nothing has to be installed. Run it with make test-boot, and all of it, with builds that lack
// a part of the boot, with make failover-test.
package boot
