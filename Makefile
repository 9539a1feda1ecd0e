# Needs Python 3.11 or newer and make; everything else is installed into $(VENV).
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.14 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n auto --dist worksteal
BENCH ?= --docs
CONSTRAINTS := $(if $(wildcard requirements.lock),--constraint requirements.lock)

.PHONY: help demo test lint check check-matrix bench docs lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no python3 was found; install Python 3.11 or newer, or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11; say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp a set of extras: a later target adds to the same environment.
$(VENV)/.installed-%: pyproject.toml $(wildcard requirements.lock) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-demo  ## run the example app on an embedded server with real text
	$(BIN)/vecsearch demo

# The tests start hundreds of programs, which would compile the packages anew where the environment forbids to keep that.
test: $(VENV)/.installed-test  ## run all tests on an embedded server
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev  ## formatting, lint rules, import contracts, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m tests.documented build/documented
	$(BIN)/mypy build/documented
	$(BIN)/pyright --pythonpath $(BIN)/python

check: lint test docs  ## what CI runs: lint, tests, docs

check-matrix: $(VENV)/.installed-dev  ## the same tests on other Python, PostgreSQL, pgvector and library versions
	$(BIN)/nox $(if $(ROWS),--session $(ROWS))

bench: $(VENV)/.installed-test  ## measure speed and memory side by side with the stock tools (minutes, not hours: make bench BENCH=--quick)
	$(BIN)/python -m tests.benchmarks $(BENCH)

docs: $(VENV)/.installed-test  ## build the documentation in site/; a warning, a dead link, a directive left over is an error
	$(BIN)/python -m pytest -q tests/site

lock: $(VENV)/.installed-dev  ## write the versions that are installed now to requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' > requirements.lock

clean:  ## remove the environment and every cache
	rm -rf $(VENV) .vecsearch .matrix .nox build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
