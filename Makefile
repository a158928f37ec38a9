# make demo: the quickstart study. make test, make lint: what CI runs. make test-slow, make bench: by hand.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A CUDA machine asks for another build here: make TORCH=torch==2.13.0+cu130 with its index in PIP_EXTRA_INDEX_URL.
TORCH ?= torch==2.13.0
export LKM_TUNE_DATA ?= $(realpath ../shared/data)
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-slow lint bench clean

setup: $(VENV)/.ready

# Made again only when what is to be installed has changed.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/lkm-tune run quickstart

test: setup
	$(BIN)/python -m pytest

test-slow: setup
	$(BIN)/python -m pytest -m slow -s

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
