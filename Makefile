# Two commands for a newcomer: `make sandbox` to see it, `make test` to check it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
# Where rustup puts cargo, for shells that were not started anew since.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# More arguments for `vigie sandbox`, e.g. make sandbox ARGS="--dir /tmp/fleet"
ARGS ?=

.PHONY: help sandbox test soak bench needs

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

# A debug build: half the time of a release build, and `make test` uses the same parts.
sandbox: needs ## Start a private fleet on this machine and open the dashboard on it
	@cargo run --bin vigie -- sandbox $(ARGS)

test: needs ## Every check that CI runs: format, lints, tests, documentation
	@cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

soak: needs ## The long runs, with their seeds and figures (VIGIE_SOAK_SEED=n repeats one)
	@VIGIE_SOAK=1 cargo test --release -- soak --include-ignored --nocapture --test-threads=1
	if [[ -n $${VIGIE_ODOO_URL:-} ]]; then
	    cargo test --release --test real odoo:: -- --ignored --nocapture
	else
	    echo "NOT RUN: against a real Odoo. The top of tests/real/odoo.rs says what to set."
	fi

bench: needs ## The benchmarks
	@cargo bench

needs: ## Install what building and testing need (PostgreSQL, PgBouncer, libfaketime, OpenSSH, hosts to boot, a C compiler)
	@./.ci/needs
