# make demo   the main job: the quickstart study, from search to report
# make test   every test but the slow ones; make lint: style and types; both are what CI runs
# make setup  only makes .venv, which the others do by themselves
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

# Which build of torch, with any options of pip that it needs. See the README for CUDA. Once chosen
# it stays, until another one is given.
TESTED_TORCH := torch==2.13.0
THERE := $(or $(shell cat $(VENV)/.ready 2>/dev/null),$(TESTED_TORCH))
TORCH ?= $(THERE)

# Tests on whole public datasets run where this folder is, and say so where it is not.
ifneq ($(wildcard ../shared/data),)
export LKM_TUNE_DATA ?= $(realpath ../shared/data)
endif
# Threads beyond a trial's own make small networks slower.
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo postgresql test test-cluster test-lowest test-slow bench lint clean

setup: $(VENV)/.ready

ifneq ($(TORCH),$(THERE))
.PHONY: $(VENV)/.ready
endif

# Made again only when what is to be installed has changed. The pinned versions go in first, by
# themselves: nothing is left to be resolved then, which saves minutes.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@# pip would keep another build of the same version.
	[ "$(TORCH)" = "$(THERE)" ] || $(BIN)/python -m pip uninstall --quiet --yes torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	printf '%s' "$(if $(subst $(TESTED_TORCH),,$(TORCH)),$(TORCH))" > $@

demo: setup
	$(BIN)/lkm-tune run quickstart

# Tests of MLflow on PostgreSQL start Debian's own, and say so where it is not there.
postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || [ "$$(id -u)" != 0 ] \
	|| ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql)

test: setup postgresql
	$(BIN)/python -m pytest

# A cluster of network namespaces with real ssh. Who is not root is told so, and nothing is tested.
test-cluster: setup
	@(for program in rsync ip curl tmux /usr/sbin/sshd; do \
	    command -v $$program >/dev/null || exit 1; done) || [ "$$(id -u)" != 0 ] \
	|| ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    rsync openssh-server iproute2 curl tmux)
	$(BIN)/python -m pytest tests/cluster -m cluster -n 0 -rs

# The lowest versions that pyproject.toml allows. Where another build of torch is installed, pip
# would replace it: the tested one goes in first.
test-lowest: setup postgresql
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e ".[dev]"
	.venv-lowest/bin/python -m pytest tests/ledger tests/search tests/tracking tests/integration

test-slow: setup postgresql
	$(BIN)/python -m pytest -m slow -n 0 -s

bench: setup
	$(BIN)/python tests/benchmarks/bench.py
	$(BIN)/python tests/benchmarks/bench_gpu.py
	$(BIN)/python tests/benchmarks/bench_machinery.py
	$(BIN)/python tests/benchmarks/bench_report.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-lowest .mypy_cache .pytest_cache .ruff_cache
