# Everything that can be done with this tree, by name. `make help` lists it.

CARGO ?= cargo
PROGRAM := anycast-healthchecker
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
SEED ?=
CHAOS_SECONDS ?= 600
# Tests wait more than they work: more of them at a time than there are cores.
TEST_THREADS ?= 6
BENCH_TARGET := $(shell uname -m)-unknown-linux-musl
# bird, birdc and ip live there.
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help build test test-release lint demo bench fuzz mutants simulate memcheck soak chaos clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the release binary for this machine
	$(CARGO) build --release --locked
	@ls -l $(TARGET_DIR)/release/$(PROGRAM)

test: ## install what the tests need, once, and run all of them (as root)
	@tests/support/prepare.sh test
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked

test-release: ## reproducible archives, the cross-built daemon in an emulator, the .deb under systemd (minutes)
	@tests/support/prepare.sh test
	$(CARGO) test --locked --features release-tests --test contrib -- release:: booted::
	CHAOS_SECONDS=$(CHAOS_SECONDS) $(CARGO) test --locked --features release-tests --test chaos -- --nocapture

lint: ## formatting, clippy, shellcheck; warnings are errors
	@tests/support/prepare.sh lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	@tests/support/prepare.sh shellcheck

demo: ## a service, this daemon, BIRD and a BGP peer, in network namespaces of their own
	@contrib/demo/demo.sh

bench: ## build static binaries, compare them with the reference and with the floor
	@contrib/cross/build $(BENCH_TARGET)
	@contrib/cross/build --minimal $(BENCH_TARGET)
	@tests/bench/run

fuzz: ## fuzz the parsers (installs cargo-fuzz from crates.io)
	@tests/fuzz/run

MUTANTS ?= $(wildcard src/engine/*.rs src/engine/routes/*.rs src/config/check.rs src/render/prefix_list.rs \
  src/render/prefix_list/lexer.rs src/render/prefix_list/item.rs src/render/bird_reply.rs src/host/disk.rs \
  src/host/disk/*.rs src/host/follow.rs)
mutants: ## change the code in one place after the other, and list what no unit test notices; MUTANTS="FILE..."
	CARGO_TARGET_DIR=target/mutants/tool $(CARGO) run --release --quiet --locked \
	  --manifest-path tests/mutants/Cargo.toml -- $(filter-out %tests.rs %fixture.rs,$(MUTANTS))

simulate: ## a million steps of the engine in a made-up world; SEED=N replays one
	SIMULATE_SEED=$(SEED) SIMULATE_STEPS=1000000 $(CARGO) test --release --locked simulation -- --nocapture

memcheck: ## one life of the daemon under valgrind
	@tests/memcheck/run

soak: ## ten minutes at 200 checks a second
	@tests/support/prepare.sh test
	SOAK_SECONDS=600 $(CARGO) test --release --locked --test faults soak -- --nocapture

chaos: ## ten minutes in which everything goes wrong, with real BIRD; SEED=N replays one life
	@tests/support/prepare.sh test
	CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(SEED) $(CARGO) test --locked --features release-tests --test chaos -- --nocapture

clean: ## remove what was built
	$(CARGO) clean

# install, cross, dist, deb, minimal
-include contrib/packaging.mk
