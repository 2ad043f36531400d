# Campaigns: what runs for longer than CI may, and what is measured. Included by the
# Makefile. What a run prints goes into MEASURED.md, or into tools/mutants/RESULTS.md.

## How long make sim-night runs
SIM_FOR ?= 8h
sim-night: pgraft ## a long campaign of the simulator (SIM_FOR=8h), a twentieth of it run twice
	build/pgraft sim --for $(SIM_FOR) --seed $$(date +%s)000 --twice 5% --marks

bench-sim: pgraft ## the simulator's standard workload: seeds an hour, events a second, allocations
	build/pgraft sim --seeds 2000

## Options of tools/mutants: MUTANTS='-only lease -v'
MUTANTS ?=
mutants: ## plant small bugs, see whether the simulator finds each (MUTANTS='-only lease -v')
	@tools/deps/debian.sh
	nice $(GO) run ./tools/mutants $(MUTANTS)

mutants-ablation: ## which of them get away without one kind of fault, or one checker
	@tools/deps/debian.sh
	nice $(GO) run ./tools/mutants -ablate -within 5m $(MUTANTS)

mutants-alone: ## for each kind of fault, and each checker, a mutant that it finds by itself
	@tools/deps/debian.sh
	nice $(GO) run ./tools/mutants -alone -seeds 100 -within 2m $(MUTANTS)

## Incidents of make incidents
INCIDENTS ?= 50
incidents: deps install-chosen ## INCIDENTS (50) incidents on real servers of PostgreSQL PG, recorded and replayed
	PGRAFT_INCIDENTS=$(INCIDENTS) PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout 60m -v \
		-run '^TestIncidents$$' ./tools/integration

## Kills of make apply-crashes
KILLS ?= 300
apply-crashes: deps install-chosen ## kill apply workers and servers KILLS (300) times under load, compare the tables of all nodes
	PGRAFT_APPLY_KILLS=$(KILLS) PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout 110m -v \
		-run '^TestIntegration$$/^applies_once_across_crashes$$' ./tools/integration

# Debian's programs are of its own PostgreSQL. Logical failover slots came with 17.
failover_skipped = -skip '$(if $(filter 15,$(PG)),^TestLogicalSlots$$,OnDebian$$)'
failover-test: deps install-chosen ## all tests of failover, the fence and the boot on real servers, in networks that are cut; and that builds without a part of them fail (as root)
	@tools/deps/debian.sh --net --haproxy
	PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout 60m -p 1 -v $(failover_skipped) \
		./tools/integration/failover ./tools/integration/fence ./tools/integration/boot

## How long make nemesis breaks a cluster, and more options: NEMESIS='-servers 2 -seed 7 -json'
FOR ?= 1m
NEMESIS ?=
nemesis: deps install-chosen nemesis-command ## random faults against real servers under load, FOR=1m, and what clients were told against what is there (as root; NEMESIS='-servers 2')
	$(in_memory) build/nemesis -for $(FOR) -pg-config "$(chosen_pg_config)" $(NEMESIS)

nemesis-parts: deps install-chosen nemesis-command ## the same with builds that lack a part of failover, until each is found out (FOR=10m at most each; as root)
	$(in_memory) build/nemesis -trials -for $(if $(filter file,$(origin FOR)),10m,$(FOR)) -pg-config "$(chosen_pg_config)" $(NEMESIS)

nemesis-command:
	$(if $(as_root),,@tools/deps/debian.sh --nemesis)
	$(GO) build -o build/nemesis ./tools/integration/nemesis

bench-recorder: deps install-chosen ## what the flight recorder costs: on against off, alternating in one run
	PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout 15m -run '^$$' \
		-bench '^BenchmarkRecorder$$' -benchtime 1x ./tools/integration

bench-failover-sql: deps install-chosen ## how long no commit is acknowledged once the primary is killed, or silent: 20 clusters each
	PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout 30m -run '^$$' \
		-bench '^BenchmarkPrimaryGone$$' -benchtime 1x ./tools/integration/failover

BENCH ?=
bench_results = build/bench/$(build_id)
bench: deps install-chosen test-bench bench-build ## pgraft beside PostgreSQL's quorum commit and etcd (BENCH='--only write --rounds 2')
	build/bench/pgraft-bench --pg-config "$(chosen_pg_config)" --etcd build/bench/etcd --label $(build_id) --out $(bench_results) $(BENCH)

bench-failover: deps install-chosen test-bench bench-build ## how long nothing is committed when the leader goes, beside etcd (BENCH='--rounds 5 --only kill')
	build/bench/pgraft-bench failover --pg-config "$(chosen_pg_config)" --etcd build/bench/etcd --label $(build_id) --out $(bench_results)-failover $(BENCH)

bench-growth: deps install-chosen bench-command ## larger entries, more nodes, ten million entries, a follower that was away (BENCH='--part held')
	build/bench/pgraft-bench growth --pg-config "$(chosen_pg_config)" --label $(build_id) --out $(bench_results)-growth $(BENCH)

# Modules of their own: the project needs neither etcd nor what draws pictures.
bench-build: bench-command
	$(GO) build -C tools/bench/etcd -o $(CURDIR)/build/bench/etcd go.etcd.io/etcd/server/v3

bench-command:
	$(GO) build -C tools/bench -o $(CURDIR)/build/bench/pgraft-bench .

test-bench: deps install-chosen ## the benchmark's own checks and tests; not in CI, which has no time for what it is made of
	$(GO) mod tidy -C tools/bench -diff
	$(GO) vet -C tools/bench -tags $(go_tags),integration ./...
	cd tools/bench && "$$($(GO) tool -C $(CURDIR) -n staticcheck)" -tags $(go_tags),integration ./...
	$(GO) test -C tools/bench ./...
	PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -C tools/bench -tags $(go_tags),integration -count=1 -timeout 5m -run '^Test(Systems|Holder|Absentee)$$' ./internal/systems

bench-docs: bench-build ## put what `make bench` measured of this build into docs/performance.md
	build/bench/pgraft-bench report $(bench_results) --docs docs
