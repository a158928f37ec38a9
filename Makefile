# make demo   the main job: the quickstart study, from search to report
# make test   the tests of every part; make lint: style and types
#             CONTRIBUTING.md has the other tests and the order of CI
# make setup  only creates .venv, which the other targets also do
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

# The build of torch, with options of pip. See the README for CUDA. A choice stays until the next choice.
TESTED_TORCH := torch==2.13.0
THERE := $(or $(shell cat $(VENV)/.ready 2>/dev/null),$(TESTED_TORCH))
TORCH ?= $(THERE)

# Tests on whole public datasets need this folder; without it they skip with that reason.
ifneq ($(wildcard ../shared/data),)
export LKM_TUNE_DATA ?= $(realpath ../shared/data)
endif
# More threads than a trial's cores make small networks slower.
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo postgresql test test-survival test-cluster test-slurm test-lowest test-browser test-slow bench simulate lint clean

setup: $(VENV)/.ready

ifneq ($(TORCH),$(THERE))
.PHONY: $(VENV)/.ready
endif

# Rebuilt only when the requirements have changed. The pinned versions are installed first, without
# dependencies: pip then has nothing to resolve, which saves minutes.
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

# Tests of MLflow on PostgreSQL start Debian's server; without it they skip with that reason.
postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || [ "$$(id -u)" != 0 ] \
	|| ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql)

test: setup postgresql
	$(BIN)/python -m pytest

# Studies that are killed, cut off or disturbed, by real processes on a real Ray.
test-survival: setup postgresql
	$(BIN)/python -m pytest tests/integration -m "survival and not slow"

# A cluster of network namespaces with real ssh. Without root, the tests skip with that reason.
test-cluster: setup
	@(for program in rsync ip curl tmux /usr/sbin/sshd; do \
	    command -v $$program >/dev/null || exit 1; done) || [ "$$(id -u)" != 0 ] \
	|| ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    rsync openssh-server iproute2 curl tmux)
	$(BIN)/python -m pytest tests/cluster -m cluster -n 0 -rs

# slurm.sh under Debian's Slurm, with two virtual nodes in namespaces; not part of CI.
test-slurm: setup
	@(for program in slurmctld slurmd munged ip sshd; do \
	    PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || exit 1; done) || [ "$$(id -u)" != 0 ] \
	|| ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    slurm-wlm munge openssh-server iproute2)
	$(BIN)/python -m pytest tests/cluster/test_slurm.py -m slurm -n 0 -rs

# The pages of `lkm-tune serve` in Debian's Chromium.
test-browser: setup
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	|| (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[browser]"
	$(BIN)/python -m pytest tests/serve/test_browser.py -m browser -n 0 -rs

# The lowest versions that pyproject.toml allows. pip would replace another build of torch, so
# the tested build is installed first.
test-lowest: setup postgresql
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e ".[dev]"
	.venv-lowest/bin/python -m pytest tests/ledger tests/search tests/tracking tests/serve tests/integration \
	    -m "not slow and not browser"

test-slow: setup postgresql
	$(BIN)/python -m pytest -m slow -n 0 -s

bench: setup
	$(BIN)/python tests/benchmarks/bench.py
	$(BIN)/python tests/benchmarks/bench_parts.py
	$(BIN)/python tests/benchmarks/bench_gpu.py
	$(BIN)/python tests/benchmarks/bench_machinery.py
	$(BIN)/python tests/benchmarks/bench_report.py

# What looking several times does to verdicts; hours. Its figures go into docs/transfer.md.
simulate: setup
	$(BIN)/python -m tests.benchmarks.optional_stopping optional_stopping.csv $(or $(STUDIES),50)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-lowest .mypy_cache .pytest_cache .ruff_cache
