# Everything a person types. Each target installs what it needs first; running one again is safe.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev

.PHONY: run test test-long ui bench lint types lock screenshots clean

# The lock file pins every package by hash; the project itself is then installed without asking for more.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; say which with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/.installed
	@$(BIN)/funnel demo

test: $(VENV)/.installed
	@$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -q -m "not long"

test-long: $(VENV)/.installed
	@$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -q -m long

ui: $(VENV)/.installed
	@$(BIN)/funnel ui

bench: $(VENV)/.installed
	@$(BIN)/python -m funnel_assets.bench

lint: $(VENV)/.installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.installed
	@$(BIN)/pyright

screenshots: $(VENV)/.installed
	@$(BIN)/python docs/screenshots.py

# Pins every package for Python 3.11 to 3.13, with hashes and without naming an index.
lock:  ## needs uv
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --upgrade -o requirements.lock
	@uv pip compile pyproject.toml --extra spark --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --upgrade -c requirements.lock -o requirements-spark.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
