# The commands of the README. Each sets up what it needs.
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: all build demo bench microbench callgrind test fuzz soak interop lint setup help

all: build

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

build: ## build switchd, switchctl and labs (target/release)
	$(CARGO) build --release --locked --bins

demo: build ## the VMotion lab: six switches converge, a VM moves there and back
	@target/release/labs run vmotion

BENCH ?=
bench: build setup ## the switch beside its peers (BENCH="--quick": a look), virtual time, the CAM, many trees
	@mkdir -p target/bench
	target/release/labs bench --json target/bench/bench.json --html target/bench/bench.html \
		--markdown target/bench/bench.md $(BENCH)
	@echo "report: target/bench/bench.html"
	$(CARGO) bench --locked -p labs --bench sim
	$(CARGO) bench --locked -p cam --bench table
	$(CARGO) bench --locked -p switchd --bench trees

microbench: ## nanoseconds and allocations: CAM, forwarding decision, codecs
	$(CARGO) bench --locked -p cam --bench table
	$(CARGO) bench --locked -p switchd --bench frame_path

callgrind: ## instructions of the frame path against the figures kept (needs valgrind; UPDATE=1 keeps new ones)
	$(CARGO) bench --locked -p switchd --bench instructions -- $(if $(UPDATE),--update)

setup: ## install the peers the tests talk to (Debian packages)
	@.ci/setup

test: setup ## every test, peers and namespaces included
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace --no-fail-fast

# libFuzzer's instrumentation, from options of the stable compiler. The host is named so that only what is fuzzed gets it.
FUZZ_SECONDS ?= 60
FUZZ_HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS = -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
fuzz: ## every fuzz target for FUZZ_SECONDS=60 (needs a C++ compiler); what is found lies in target/fuzz
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --release --locked --manifest-path tests/fuzz/Cargo.toml --target $(FUZZ_HOST) --target-dir target/fuzz
	@for target in $(notdir $(wildcard tests/fuzz/corpus/*)); do \
		echo "fuzzing $$target"; mkdir -p target/fuzz/corpus/$$target; \
		target/fuzz/$(FUZZ_HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=target/fuzz/$$target- target/fuzz/corpus/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

MINUTES ?= 60
MOVES ?= 10
soak: setup ## MOVES=10 runs of lab vmotion-qemu, then properties of spanning tree for MINUTES=60
	@$(CARGO) run --release --locked -p tests --bin moves -- --runs $(MOVES)
	@$(CARGO) run --release --locked -p tests --bin soak -- --minutes $(MINUTES)

interop: setup ## every scenario with other people's bridges; writes docs/INTEROP.md
	$(CARGO) build --release --locked --workspace --bins
	$(CARGO) run --release --locked -p tests --bin interop

lint: ## formatting, clippy, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
