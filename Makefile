# make && sudo make install PG_CONFIG=/path/to/pg_config
#	puts the extension into an existing PostgreSQL server.
# make demo
#	installs what is missing, builds, and shows a cluster at work.

## The PostgreSQL to build for and to install into
PG_CONFIG ?= pg_config
## The major version that deps, demo and the tests get by themselves: 15, 17 or 18
PG ?= 15
## Where the command pgraft goes (bin/pgraft); the extension goes where PG_CONFIG says
PREFIX ?= /usr/local
## Put before every path that is installed, for packagers
DESTDIR ?=
## 1: make demo with TLS between nodes
TLS ?=
## More options of make demo: DEMO='--nodes 5 --keep'
DEMO ?=

# Neither make nor PostgreSQL's build system can work with such names.
with_space = $(strip $(foreach v,CURDIR PG_CONFIG PGRAFT_CACHE,$(if $(word 2,$($(v))),$(v))))
$(if $(with_space),$(error $(foreach v,$(with_space),$(v) is "$($(v))":) make cannot work with a space in it, choose another place))

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PGRAFT_CACHE ?= /var/cache/pgraft

# A variable that is looked up on its first use only: `sudo make install` needs
# no Go, and cleaning needs no PostgreSQL.
once = $(eval $(1) := $(2))$($(1))
GO = $(call once,GO,$(shell tools/deps/go.sh))
PG_VERSION = $(call once,PG_VERSION,$(shell $(PG_CONFIG) --version))
PG_MAJOR = $(call once,PG_MAJOR,$(shell echo '$(PG_VERSION)' | sed 's/^PostgreSQL \([0-9]*\).*/\1/'))
PG_BUILD = build/pg$(PG_MAJOR)
pg_dir = $(DESTDIR)$(shell $(PG_CONFIG) --$(1))

# What demo and the tests run with: the PG_CONFIG that was given, else version PG.
chosen_pg_config = $(if $(filter file,$(origin PG_CONFIG)),$$(tools/deps/postgres.sh $(PG)),$(PG_CONFIG))
as_root = $(if $(filter 0,$(shell id -u)),,tools/deps/as-root.sh)

# All that Go compiles here has these flags, so that no package is compiled twice: the
# engine's library asks for position independence, as distributions do of programs. Pebble's
# Go zstd, as Go builds C packages anew each time for a C library.
go_tags = pebblegozstd
ifeq ($(findstring $(go_tags),$(GOFLAGS)),)
export GOFLAGS += -trimpath -buildvcs=false -buildmode=pie -tags=$(go_tags)
endif
# Go's async preemption would take PostgreSQL's SIGURG: see pgext/engine.
ENGINE_LDFLAGS = -X=runtime.godebugDefault=asyncpreemptoff=1
# What traces are told apart by: they replay on a core of the same sources only.
core_sources = $(call once,core_sources,$(shell cat go.mod go.sum $$(ls core/*.go core/*/*.go | grep -v _test) | sha256sum | cut -c 1-16))
SOURCES_LDFLAGS = -X=github.com/pgraft/pgraft/node/recorder.sources=$(core_sources)
# What the extension's two libraries know each other by; pgext/Makefile gives it to the other.
build_id = $(call once,build_id,$(shell tools/build-id.sh))
# PostgreSQL's headers as system headers: the warnings are about our own code.
C_WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter
TEST_TIMEOUT = 25m
# Tests of servers make and drop a thousand files for each: a file system on a disk takes
# longer for them than the servers take for all else, so they are in memory where there is
# room. What is measured, and what campaigns do to servers, is on a disk.
in_memory = $(call once,in_memory,$(shell df -B1G --output=target,avail /dev/shm 2>/dev/null | awk 'NR > 1 && $$2 >= 6 { print "TMPDIR=" $$1 }'))
test_servers = $(in_memory) PGRAFT_PG_CONFIG="$(chosen_pg_config)" $(GO) test -tags $(go_tags),integration -count=1 -timeout $(TEST_TIMEOUT) -v

# No target here is a file.
makefiles = Makefile campaigns.mk
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(makefiles))

all: pgraft engine shim ## build the command, the engine and the extension for PG_CONFIG

# Go knows by itself what is up to date.
pgraft:
	$(GO) build -ldflags='$(SOURCES_LDFLAGS)' -o build/pgraft ./tools/pgraft
	@rm -rf build/man
	@build/pgraft manual build/man

engine:
	$(GO) build -buildmode=c-shared -ldflags='$(ENGINE_LDFLAGS) $(SOURCES_LDFLAGS) -X=main.build=$(build_id)' \
		-o build/pgraft_engine.so ./pgext/engine

shim: check-pg
	@mkdir -p $(PG_BUILD)
	@$(PG_CONFIG) > $(PG_BUILD)/pg_config.new
	@cmp -s $(PG_BUILD)/pg_config.new $(PG_BUILD)/pg_config.txt \
		|| cp $(PG_BUILD)/pg_config.new $(PG_BUILD)/pg_config.txt
	@rm $(PG_BUILD)/pg_config.new
	$(MAKE) -C $(PG_BUILD) -f $(CURDIR)/pgext/Makefile PG_CONFIG='$(abspath $(shell command -v $(PG_CONFIG)))' pgraft.so

check-pg:
	@$(PG_CONFIG) --version >/dev/null 2>&1 || { echo >&2 \
		"make: $(PG_CONFIG) does not run: install PostgreSQL, or say PG_CONFIG=/path/to/pg_config"; exit 1; }
	@test -r "$$($(PG_CONFIG) --pgxs)" && test -r "$$($(PG_CONFIG) --includedir-server)/postgres.h" || { echo >&2 \
		"make: $(PG_CONFIG) knows no headers for extensions: install them (on Debian postgresql-server-dev-$(PG_MAJOR))"; exit 1; }

# Only copies, so that root needs neither Go nor the user's environment.
install: ## copy what `make` built into the server of PG_CONFIG
	@$(PG_CONFIG) --version >/dev/null
	@for f in build/pgraft build/pgraft_engine.so $(PG_BUILD)/pgraft.so; do test -f $$f || { echo >&2 \
		"make: $$f is not built: run 'make PG_CONFIG=$(PG_CONFIG)' first"; exit 1; }; done
	@echo 'Installing pgraft into $(PG_VERSION): $(call pg_dir,pkglibdir), $(call pg_dir,sharedir)/extension, $(DESTDIR)$(PREFIX)/bin'
	@install -d '$(call pg_dir,pkglibdir)' '$(call pg_dir,sharedir)/extension' '$(DESTDIR)$(PREFIX)/bin'
	@install -m 755 $(PG_BUILD)/pgraft.so build/pgraft_engine.so '$(call pg_dir,pkglibdir)/'
	@install -m 644 pgext/pgraft.control pgext/pgraft--*.sql '$(call pg_dir,sharedir)/extension/'
	@install -m 755 build/pgraft '$(DESTDIR)$(PREFIX)/bin/'
	@install -d '$(DESTDIR)$(PREFIX)/share/man/man1'
	@install -m 644 build/man/*.1 '$(DESTDIR)$(PREFIX)/share/man/man1/'

# The servers' data stays; a server that still names pgraft in
# shared_preload_libraries does not start any longer.
uninstall: ## remove what install has put there
	@rm -f '$(call pg_dir,pkglibdir)/pgraft.so' '$(call pg_dir,pkglibdir)/pgraft_engine.so' \
		'$(call pg_dir,sharedir)/extension/pgraft.control' '$(DESTDIR)$(PREFIX)/bin/pgraft' \
		'$(DESTDIR)$(PREFIX)/share/man/man1/'pgraft{,-*}.1 \
		$(foreach sql,$(notdir $(wildcard pgext/pgraft--*.sql)),'$(call pg_dir,sharedir)/extension/$(sql)')

VERSION = $(call once,VERSION,$(shell sed -n 's/^   "version": "\(.*\)",/\1/p' META.json))
dist: ## build/pgraft-VERSION.zip of the last commit, for PGXN
	@mkdir -p build
	git archive --format zip --prefix pgraft-$(VERSION)/ -o build/pgraft-$(VERSION).zip HEAD

deb: deps ## Debian packages of PostgreSQL PG in build/deb/pgNN: the extension, and the command
	@tools/deps/debian.sh --deb
	@pg_config=$(chosen_pg_config); $(MAKE) all PG_CONFIG="$$pg_config"; \
		$(MAKE) package PG_CONFIG="$$pg_config"

package:
	@rm -rf build/deb/pg$(PG_MAJOR); mkdir -p build/deb/pg$(PG_MAJOR)/source
	cp -r pgext/debian build/deb/pg$(PG_MAJOR)/source/
	sed 's/@PG@/$(PG_MAJOR)/g' pgext/debian/control.in > build/deb/pg$(PG_MAJOR)/source/debian/control
	rm build/deb/pg$(PG_MAJOR)/source/debian/control.in
	cd build/deb/pg$(PG_MAJOR)/source && MAKEFLAGS= TOP='$(CURDIR)' PG=$(PG_MAJOR) PG_CONFIG='$(abspath $(shell command -v $(PG_CONFIG)))' \
		dpkg-buildpackage --build=binary --no-sign --no-check-builddeps
	@ls build/deb/pg$(PG_MAJOR)/*.deb

deps: ## install what is missing for demo and test: tools, Go, PostgreSQL of version PG
	@tools/deps/debian.sh $(if $(filter file,$(origin PG_CONFIG)),--postgres $(PG))
	@pg_config=$(chosen_pg_config); "$$pg_config" --version >/dev/null

deps-%: ; @$(MAKE) deps PG=$*

install-chosen:
	@pg_config=$(chosen_pg_config); \
		$(MAKE) all PG_CONFIG="$$pg_config"; \
		$(as_root) $(MAKE) install PG_CONFIG="$$pg_config" PREFIX='$(PREFIX)'

demo: deps install-chosen ## build, install into PostgreSQL PG, and show a cluster at work, then a failover (TLS=1: encrypted, and no failover)
	build/pgraft demo $(if $(filter-out 0,$(TLS)),--tls )--pg-config "$(chosen_pg_config)" $(DEMO)
	$(if $(filter-out 0,$(TLS))$(DEMO),,@echo && build/pgraft demo --failover --pg-config "$(chosen_pg_config)")

test: test-unit test-browser test-install test-servers ## all tests, on PostgreSQL PG

test-unit:
	@tools/deps/debian.sh
	$(GO) test -p 3 ./... # those that wait leave a processor to the others

# They walk through all faults of a disk in one goroutine: the detector has nothing to
# find, and takes minutes.
store_walks = ^(TestFullDiskAtEveryCall|TestDamagedFile|TestOptionsCut|TestFirstFailureIsFinal|TestForbiddenFile)$$
# So do these, with entries of 16 MB.
large_traces = ^TestLarge

# The detector and position independence do not go together.
race = -race -buildmode=exe

# The core starts no goroutine, as TestCoreIsPure sees to. The nodes of package node mostly
# wait, so the others run beside it.
test-race: ## the node under the race detector
	@tools/deps/debian.sh
	@$(MAKE) -j2 -Otarget race-node race-store
race-node: ; $(GO) test $(race) ./node
race-store:
	$(GO) test $(race) $$($(GO) list ./node/... | grep -v -e /node$$ -e /store$$) -skip '$(large_traces)'
	$(GO) test $(race) ./node/store -skip '$(store_walks)'

## How long make fuzz gives each of its four targets
FUZZ_FOR ?= 10s
fuzz: ## the four fuzz targets, FUZZ_FOR each, from the corpora of testdata/fuzz
	@tools/deps/debian.sh
	@$(MAKE) -j2 fuzz-trace fuzz-transport
fuzz-trace: ; $(call fuzz,./core/trace,FuzzReader) && $(call fuzz,./core/trace,FuzzPayload)
fuzz-transport: ; $(call fuzz,./node/transport,FuzzReadFrame) && $(call fuzz,./node/transport,FuzzGreeting)
fuzz = $(GO) test $(1) -run '^$$' -fuzz '^$(2)$$' -fuzztime $(FUZZ_FOR)

test-browser: ## the page of `pgraft view` in a browser; PGRAFT_SCREENSHOTS=DIR keeps pictures
	@tools/deps/debian.sh --browser
	$(GO) test -tags $(go_tags),browser -count=1 -timeout 5m ./tools/internal/view

# With the core that has the bug, which shows what happened. A palette of 256
# colours takes a third of the bytes.
view-picture: planted ## docs/images/view.png: the page of `pgraft view`, from testdata/trace
	@tools/deps/debian.sh --browser --picture
	@mkdir -p build/picture docs/images
	PGRAFT_SCREENSHOTS=$(CURDIR)/build/picture $(GO) test -tags $(go_tags),browser -count=1 -timeout 5m \
		-overlay build/planted/lease_kept_in_transfer/overlay.json -run '^TestBrowserPicture$$' ./tools/internal/view
	pngquant --force --strip --speed 1 --output docs/images/view.png 256 build/picture/view.png

planted: ## plant the bugs of testdata/trace into the core: each replays what its traces show
	@tools/deps/debian.sh
	GO="$(GO)" tools/planted.sh

planted-record: ## record those traces anew in the simulator, as a change of the core demands
	@tools/deps/debian.sh
	GO="$(GO)" tools/planted.sh --record

sim-ci: pgraft ## the simulator for CI: fixed seeds and fresh ones of this commit, three minutes at most
	tools/sim-ci.sh

# One each of the library, the core and the disk; all die within a few seeds.
mutants-ci: ## three of the mutants, for CI
	@tools/deps/debian.sh
	$(GO) run ./tools/mutants -bases 1 -seeds 300 -within 5m -only ack-leaves-before-sync,newer-term-wins,sync-error-ignored

test-integration: deps install-chosen ## the tests on real servers of PostgreSQL PG
	$(test_servers) ./tools/integration

# Their servers mostly wait, so three at a time; what each prints stays together.
test-servers: deps install-chosen
	@$(MAKE) -j3 -Otarget integration-first integration-second check-sql \
		test-facts test-fence test-boot test-failover test-installcheck

integration-first: deps install-chosen
	$(test_servers) ./tools/integration -run '^TestIntegration$$' -half 1
integration-second: deps install-chosen
	$(test_servers) ./tools/integration -half 2

# All are installed before the first is tested, as they come from one build directory.
test-versions: ## what CI runs on PostgreSQL 17 and 18, side by side
	@for pg in 17 18; do $(MAKE) deps install-chosen PG=$$pg; done
	@$(MAKE) -j3 -Otarget version-17 version-18
version-%:
	@$(MAKE) -o deps -o install-chosen test-short test-facts test-fence test-boot PG=$*

test-short: deps install-chosen ## the shorter pass of them, for PG=17 and PG=18
	$(test_servers) ./tools/integration -short

test-fence: deps install-chosen ## the fence of failover, on a primary and two standbys of PostgreSQL PG
	$(test_servers) -run '^Test(Fence|Looks|PartsApply)$$' ./tools/integration/fence

# A few of what make failover-test runs. Networks are cut by root alone.
failover_cases = ^Test(PartsApply|PrimaryKilled|PrimaryStopped|Faults|EngineStopped|Canceled|HAProxy|RejoinByRewind|Switchover|Join$(if $(as_root),,|PrimaryCut))$$
test-failover: deps install-chosen ## servers of PostgreSQL PG that fail over
	@tools/deps/debian.sh --haproxy
	$(if $(as_root),,@tools/deps/debian.sh --net)
	$(test_servers) -parallel 3 -run '$(failover_cases)' ./tools/integration/failover

test-boot: deps ## how a server that fails over starts, on servers of PostgreSQL PG
	$(test_servers) -parallel 4 -run '^Test(Boot|PartsApply)$$' ./tools/integration/boot

test-facts: deps ## what failover rests on, shown on real servers of PostgreSQL PG
	$(test_servers) -parallel 4 ./tools/integration/facts

REWRITE ?=
check-sql: deps install-chosen ## the stories of testdata/sql on real servers of PostgreSQL PG (REWRITE=1: write their outputs anew)
	$(test_servers) \
		./tools/integration/scripts $(if $(REWRITE),-rewrite)

installcheck: deps install-chosen ## PostgreSQL's own kinds of tests: pg_regress, isolation, TAP
	@tools/deps/debian.sh --tap
	$(in_memory) pgext/installcheck.sh "$(chosen_pg_config)"

# What make's PostgreSQL of version 17 and 18 comes without; there the integration
# tests alone have these cases.
test-installcheck: deps install-chosen
	@tools/deps/debian.sh --tap
	$(in_memory) pgext/installcheck.sh --if-there "$(chosen_pg_config)"

test-install: deps install-chosen ## make install DESTDIR=..., and uninstall
	tools/packaging/test-install.sh "$(chosen_pg_config)"

test-deb: deb ## install, use and remove the packages in a copy of PostgreSQL PG
	@pg_config=$(chosen_pg_config); major=$$($$pg_config --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'); \
		tools/packaging/test-deb.sh build/deb/pg$$major "$$pg_config"

lint: lint-go lint-vet lint-static lint-c lint-shell lint-proto ## gofmt, nothing built is committed, go vet, staticcheck, C warnings and indentation, shellcheck, generated code

# No file asks for the absence of one of these.
all_tags = $(go_tags),integration,browser
lint-go:
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $$(git ls-files '*.go')); test -z "$$unformatted" || { \
		echo >&2 "gofmt -w is due:" $$unformatted; exit 1; }
	@large=$$(git ls-files -z | xargs -0 du -b | awk '$$1 > 1000000'); test -z "$$large" || { \
		echo >&2 "is this built? git rm --cached it:" $$large; exit 1; }
	$(GO) mod tidy -diff
lint-vet: ; $(GO) vet -tags $(all_tags) ./...
lint-static: ; $(GO) tool staticcheck -tags $(all_tags) ./...

lint-c: ## the shim compiles without a warning, and is indented as PostgreSQL is
	@tools/deps/debian.sh --lint
	$(call lint_c,--check)

lint-c-%: ; @$(MAKE) lint-c PG=$*

indent-c: ## indent the shim's sources as PostgreSQL does its own
	@tools/deps/debian.sh --lint
	$(call lint_c,)

# Debugging information says which words are types.
lint_c = @pg_config=$(chosen_pg_config); dir=build/lint/pg$$($$pg_config --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'); \
	rm -rf $$dir; mkdir -p $$dir; \
	$(MAKE) -C $$dir -f $(CURDIR)/pgext/Makefile PG_CONFIG="$$pg_config" \
		COPT="-g -isystem $$($$pg_config --includedir-server) $(C_WARNINGS)" pgraft.so; \
	tools/indent-c.sh $(1) $$dir/pgraft.so

lint-next: ## compile the shim against the headers of PostgreSQL 19, from Debian experimental
	@tools/deps/debian.sh
	tools/lint-next.sh

lint-shell:
	@tools/deps/debian.sh --lint
	shellcheck -x tools/*.sh tools/*/*.sh pgext/*.sh .ci/run

# core.proto imports the library's raft.proto, which comes with its module.
protoc = $(GO) build -o build/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && \
	protoc --plugin=build/protoc-gen-go -I core/corepb -I "$$($(GO) list -m -f '{{.Dir}}' go.etcd.io/raft/v3)/raftpb" \
		--go_opt=paths=source_relative --go_opt=Mraft.proto=go.etcd.io/raft/v3/raftpb --go_out=$(1) core.proto failover.proto

proto: ## generate the Go code of core/corepb anew (needs protoc)
	@tools/deps/debian.sh --lint
	$(call protoc,core/corepb)

# The comments name the generators' versions, which may differ.
lint-proto:
	@tools/deps/debian.sh --lint
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; $(call protoc,"$$dir"); \
	for f in core failover; do diff -I '^//' "$$dir/$$f.pb.go" core/corepb/$$f.pb.go || { \
		echo >&2 "core/corepb/$$f.proto was changed: run 'make proto'"; exit 1; }; done

clean: ## remove what was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(makefiles) | expand -t 20
	@echo
	@awk '/^## / { doc = substr($$0, 4); next } doc { print $$1 "\t" doc " [" $$3 "]"; doc = "" }' $(makefiles) | expand -t 20

include campaigns.mk
