# make          what there is
# make run      the whole pipe on this machine, with every sample delivery
# make test     all tests
#
# Python tools live in .local/ (pinned, not committed), as do the local stacks.

PORT ?= 4566
PYTHON ?= python3
SEEDS ?= 200
FUZZ_SECONDS ?= 60

TOOLS := .local/tools
MINISTACK := .local/ministack
CARGO_FUZZ := .local/cargo/bin/cargo-fuzz
MICROBURST := .local/microburst
BENCH := .local/bench
RUN := $(TOOLS)/bin/python -m
# The local stack needs no more than the local AWS brings: its library for AWS, and what expands the template.
RUN_STACK := $(MINISTACK)/bin/python -m
# Of the end-to-end tests; each has a stack of its own. Much of a test is waiting, so one more than two cores.
WORKERS ?= 3
SAM := SAM_CLI_TELEMETRY=0 $(TOOLS)/bin/sam

# The tools' folder comes first, so that SAM finds the pinned cargo-lambda and zig.
export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help tools test-tools proxy binaries run stop status sign test test-rust test-simulator defects simulate timing fuzz test-python soak bench lint audit advisories build package cli

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "  PORT=$(PORT) says where the local stack of run, stop, status and sign is."

tools: test-tools $(TOOLS)/.build ## install the pinned tools into .local/

test-tools: $(TOOLS)/.done $(MINISTACK)/.done # what tests and lints need of them

# Two environments, because SAM and MiniStack want different versions of one library. `make run` needs the second alone.
$(TOOLS)/.done: tests/requirements/tools.txt
	@echo "Installing SAM and pytest into $(TOOLS) (once, about a minute, 0.4 GB) …"
	@$(PYTHON) -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements/tools.txt
	@touch $@

$(TOOLS)/.build: $(TOOLS)/.done tests/requirements/build.txt
	@echo "Installing cargo-lambda and zig into $(TOOLS) (once, 0.4 GB) …"
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements/build.txt
	@touch $@

$(MINISTACK)/.done: tests/requirements/ministack.txt
	@echo "Installing the local AWS into $(MINISTACK) (once) …"
	@$(PYTHON) -m venv --clear $(MINISTACK)
	@$(MINISTACK)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements/ministack.txt
	@touch $@

proxy: $(MICROBURST)/.done # what injects faults between the functions and AWS

$(MICROBURST)/.done: tests/requirements/proxy.txt
	@echo "Installing the fault-injecting proxy into $(MICROBURST) (once) …"
	@$(PYTHON) -m venv --clear $(MICROBURST)
	@$(MICROBURST)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements/proxy.txt
	@touch $@

# What is built is what is deployed, and the features that tests add to its dependencies, so that `make test` builds
# none of them again.
FUNCTIONS := $(shell awk -F '"' '/^\[/ {table = $$0} table == "[package]" && /^name/ {print $$2}' functions/*/Cargo.toml)
LOCAL := $(addprefix -p ,$(FUNCTIONS) hookmill features)

binaries: # the functions and the tool, for the local stack
	cargo build --locked $(LOCAL)

run: ## the whole pipe here, one order followed through it: make run [ARGS=--all]; the first time about 5 minutes
	@test -x target/debug/hookmill || echo "The first time this compiles about 250 crates: 5 minutes on two cores, 2.5 GB of disk. After that it takes seconds."
	@$(MAKE) --no-print-directory -j2 $(MINISTACK)/.done binaries
	@$(RUN_STACK) tests.local.run --port $(PORT) $(ARGS)

stop: ## stop the local stack; its data goes with it
	@if [ -x $(MINISTACK)/bin/python ]; then $(RUN_STACK) tests.local.stack down --port $(PORT); \
	else echo "No local stack was running."; fi

status: $(MINISTACK)/.done ## where the local stack's things are
	@$(RUN_STACK) tests.local.stack status --port $(PORT)

sign: $(MINISTACK)/.done ## print a sample signed for the local stack's sources: make sign CASE=scalev/order.created.2026
	@test -f .local/stack-$(PORT)/sources.json || { echo "Start the local stack first: make run" >&2; exit 1; }
	@$(RUN_STACK) tests.local.signing events/$(CASE).json --sources .local/stack-$(PORT)/sources.json

# An end-to-end test is mostly waiting, so Rust's tests run beside them, after them in line for a core.
test: test-tools proxy binaries ## unit, property, template and end-to-end tests
	cargo test --workspace --locked --no-run
	@echo "Rust's tests run beside the end-to-end tests; what they print follows at the end."
	@log=$$(mktemp); nice $(MAKE) --no-print-directory test-rust >$$log 2>&1 & rust=$$!; trap 'kill $$rust; rm -f $$log' INT TERM; \
	$(MAKE) --no-print-directory test-python; python=$$?; wait $$rust; rust=$$?; cat $$log; rm -f $$log; exit $$((python || rust))

# Enough to show on every change that the simulator can fail.
SHOWN := last_writer_wins refused_answered_200

test-rust: ## the tests that need no stack, the short form of the simulation among them
	cargo test --workspace --locked
	$(PYTHON) -m tests.simulator.defects $(SHOWN)

test-simulator: ## the short form of the simulation alone: about 11,000 deliveries and every single crash
	cargo test -p simulator --locked

defects: ## that the simulator finds every deliberate defect: make defects [ARGS="--seeds 40 --json body_trimmed"]
	@$(PYTHON) -m tests.simulator.defects $(ARGS)

simulate: ## crash and fault simulation: make simulate SEEDS=2000 [ARGS="--from 1 --orders 100 --json"]
	cargo run -p simulator --profile simulate --locked --quiet -- --seeds $(SEEDS) $(ARGS)

timing: ## whether the time of a refusal reveals anything to a stranger: make timing [ARGS="--rounds 3000 --json"]
	cargo bench -p edge --profile simulate --locked --quiet --bench refusals -- $(ARGS)

$(CARGO_FUZZ):
	@echo "Installing cargo-fuzz into .local/cargo (once, about two minutes) …"
	@cargo install --quiet --root .local/cargo --target-dir target/tools --locked --version 0.13.2 cargo-fuzz

fuzz: $(CARGO_FUZZ) ## fuzzing: make fuzz FUZZ_SECONDS=600 [TARGETS="admit read_scalev"] [ARGS=--json]
	@PATH="$(CURDIR)/.local/cargo/bin:$$PATH" $(PYTHON) -m tests.local.fuzz --seconds $(FUZZ_SECONDS) $(ARGS) $(TARGETS)

# A worker takes whole files, in the order that `tests/conftest.py` gives them.
test-python: test-tools proxy binaries ## the template's tests, and end to end through stacks of their own: make test-python WORKERS=3
	$(RUN) pytest tests -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

soak: test-tools proxy binaries ## five minutes of load, faults and kills; every delivery accounted for: make soak [ARGS="--seconds 60"]
	@$(RUN) tests.soak $(ARGS)

$(BENCH)/.done: tests/requirements/bench.txt
	@echo "Installing the Python peer and what draws the plot into $(BENCH) (once) …"
	@$(PYTHON) -m venv --clear $(BENCH)/python
	@$(BENCH)/python/bin/pip install --quiet --disable-pip-version-check -r tests/requirements/bench.txt
	@touch $@

bench/peers/node/node_modules/.done: bench/peers/node/package-lock.json
	@echo "Installing the Node.js peer (once) …"
	@cd bench/peers/node && npm ci --silent --no-audit --no-fund
	@touch $@

# Without Node.js its peer is left out. The functions are built as `make package` builds them, apart from the driver,
# whose features would reach them.
bench: test-tools $(BENCH)/.done $(if $(shell command -v npm),bench/peers/node/node_modules/.done) ## hookmill beside its peers, in about 20 minutes: make bench [ARGS="--rounds 1 --only hookmill"]
	cargo build --release --locked -p scalev -p scalapay -p shopline -p selldone -p relay -p orders
	cargo build --release --locked -p bench
	cargo build --release --locked --manifest-path bench/peers/rust/Cargo.toml --target-dir target/peers
	@$(RUN) bench.deliveries $(BENCH)/deliveries
	@target/release/bench --deliveries $(BENCH)/deliveries --json $(BENCH)/measured.json $(ARGS)
	@$(RUN) bench.bill $(BENCH)/measured.json
	@$(RUN) bench.scale $(BENCH)/measured.json
	@$(BENCH)/python/bin/python -m bench.plot $(BENCH)/measured.json $(BENCH)/measured.svg

lint: $(TOOLS)/.done ## formatting, clippy, documentation, template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint

audit: ## licences, advisories' bans and unused dependencies (needs cargo-deny and cargo-machete)
	cargo deny check bans licenses sources
	cargo machete

advisories: ## published advisories against what Cargo.lock names (needs cargo-deny)
	cargo deny check advisories

build: tools ## what `sam deploy` deploys, in .aws-sam/
	$(SAM) build

# Without the tool, the simulator and the benchmark, whose features of shared crates the functions would be built with too.
package: tools ## the same binaries for `cargo lambda deploy`, in target/lambda/
	cargo lambda build --release --locked --bins --workspace --exclude hookmill --exclude stack --exclude simulator --exclude bench

cli: ## the operator's tool, in target/release/hookmill
	cargo build --release --locked -p hookmill
