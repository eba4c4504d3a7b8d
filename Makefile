# Everything a fresh machine needs: Rust 1.95, Python 3.11 with venv, gcc, git. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
CARGO ?= cargo
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
FIRN := $(TARGET_DIR)/debug/firn
FIRN_RELEASE := $(TARGET_DIR)/release/firn
VENV := $(CURDIR)/.venv
PY := $(VENV)/bin/python
BENCH_VENV := $(CURDIR)/.venv-bench
CACHE := $(CURDIR)/.cache
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/bin/cargo-deny
DEMO_DIR ?= target/demo
DATA ?= testdata
FORMATS ?= netcdf3,netcdf4
REQUIRE ?=
PYTEST_ARGS ?=
CORPUS_ARGS ?=
BENCH_ARGS ?=
MUTATE_ARGS ?= --count 400
DAMAGE_ARGS ?= --every 17 --masks 255 --icechunk 100

export FIRN_BIN ?= $(FIRN)

.PHONY: help build demo test test-rust test-fuzz test-interop test-docs test-corpus test-mutations test-damage check check-fmt check-clippy check-doc check-purity check-deny \
        check-repository check-testdata acceptance bench corpus venv requirements testdata-expected drift clean-demo

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

build: ## the binary of the dev profile, which demo, test and corpus share
	$(CARGO) build --locked -p firn

# ------------------------------------------------------------------ demo
demo: build clean-demo ## the whole lifecycle on bundled files, then the printed lines are yours to paste
	$(FIRN) demo $(DEMO_DIR) --no-serve
	@echo
	@echo "A Python that has what the lines above import: make venv, then .venv/bin/python"

clean-demo:
	@rm -rf $(DEMO_DIR)

# ------------------------------------------------------------------ tests
test: test-rust test-fuzz test-interop test-docs test-corpus test-mutations test-damage ## unit, property and interop tests, fuzz targets, the replay of testdata/, damaged files

test-rust:
	$(CARGO) test --locked --workspace

test-fuzz: ## every fuzz target for SECONDS_EACH (5) seconds
	PYTHON="$(PYTHON)" CARGO="$(CARGO)" tests/fuzz.sh

test-interop: build $(VENV)/.stamp ## what firn writes is opened by xarray, zarr-python and icechunk
	$(PY) -m pytest tests/interop $(PYTEST_ARGS)

test-docs: build $(VENV)/.stamp ## every block of the guides and of README.md, and the links between documents
	$(PY) tests/docs/run_guide.py

test-corpus: build $(VENV)/.stamp
	$(PY) tests/corpus/corpus.py testdata --formats netcdf3,netcdf4,nemo,hdf5,hdf5_hostile $(CORPUS_ARGS)

test-mutations: build $(VENV)/.stamp
	$(PY) tests/corpus/mutate.py $(MUTATE_ARGS)

test-damage: build $(VENV)/.stamp ## a sample of every truncation and changed byte of small files and stores; make acceptance tries all of them
	CARGO="$(CARGO)" $(PY) tests/corpus/damage.py $(DAMAGE_ARGS)

corpus: build $(VENV)/.stamp ## every file below DATA=dir: inspect, transform, virtualize, compared with xarray
	$(PY) tests/corpus/corpus.py "$(DATA)" --formats $(FORMATS) $(CORPUS_ARGS)

acceptance: build $(VENV)/.stamp ## what needs a Ceph RADOS Gateway or long runs; REQUIRE=ceph fails where it is not there
	REQUIRE="$(REQUIRE)" VENV="$(VENV)" CACHE="$(CACHE)" tests/acceptance.sh

# ------------------------------------------------------------------ checks
check: check-fmt check-clippy check-doc check-purity check-deny check-repository check-testdata ## what must hold before a commit

check-fmt:
	$(CARGO) fmt --all --check

check-clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p firn-fuzz --features libfuzzer --all-targets -- -D warnings

check-doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

check-purity:
	tests/checks/purity.sh

check-deny: $(DENY)
	$(DENY) --locked check licenses bans sources

check-repository:
	$(PYTHON) tests/checks/repository.py

check-testdata: $(VENV)/.stamp
	$(PY) testdata/make_expected.py --check

$(DENY):
	$(CARGO) install --locked cargo-deny --version $(DENY_VERSION) --no-default-features --root $(CACHE)/tools --target-dir $(CACHE)/tools/target
	rm -rf $(CACHE)/tools/target

# ------------------------------------------------------------------ bench
bench: $(BENCH_VENV)/.stamp ## firn beside xarray + dask, VirtualiZarr, kerchunk, and for transfers rclone and s5cmd, alternating, with the limit of the machine
	$(CARGO) build --locked --release -p firn
	FIRN_BIN=$(FIRN_RELEASE) $(BENCH_VENV)/bin/python bench/bench.py run $(BENCH_ARGS)

# ------------------------------------------------------------------ Python
venv: $(VENV)/.stamp ## the Python environment of the tests

$(VENV)/.stamp: requirements/test.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/test.txt
	touch $@

$(BENCH_VENV)/.stamp: requirements/bench.txt
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	touch $@

requirements: ## resolves requirements/*.in anew into the pinned requirements/*.txt
	tests/checks/resolve_requirements.sh $(PYTHON)

testdata-expected: $(VENV)/.stamp ## what netCDF4-python and h5py see in testdata/, written to testdata/expected/
	$(PY) testdata/make_expected.py

drift: $(VENV)/.stamp ## the fixtures that disagree on purpose, into target/drift
	$(PY) tests/fixtures/make_drift.py target/drift
