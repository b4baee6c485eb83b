# Everything a person types. Each target installs what it needs first; running one again is safe.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev

PYTEST = $(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -q

.PHONY: run test test-long test-ci-long ui bench lint types docs lock sbom screenshots clean

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
	@$(PYTEST) -m "not long"

# What takes thousands of files, histories, kills or minutes of fuzzing, in full; each has a variable that says how much.
test-long: $(VENV)/.installed
	@$(PYTEST) -m long

# The same tests on less, in ten minutes at most.
test-ci-long: $(VENV)/.installed
	@FUNNEL_FUZZ_FILES=$${FUNNEL_FUZZ_FILES:-2000} FUNNEL_MUTATIONS=$${FUNNEL_MUTATIONS:-1000} \
	  FUNNEL_FUZZ_SECONDS=$${FUNNEL_FUZZ_SECONDS:-0} $(PYTEST) -m long

ui: $(VENV)/.installed
	@$(BIN)/funnel ui

bench: $(VENV)/.installed
	@$(BIN)/python -m funnel_assets.bench

lint: $(VENV)/.installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.installed
	@$(BIN)/pyright

# Builds the pages in docs/ as a site below build/site; a link that leads nowhere fails.
docs: $(VENV)/.installed
	@$(BIN)/zensical build --strict --clean

screenshots: $(VENV)/.installed
	@$(BIN)/python docs/screenshots.py

# Pins every package for Python 3.11 to 3.13, with hashes and without naming an index.
lock:  ## needs uv
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --upgrade -o requirements.lock
	@uv pip compile pyproject.toml --extra spark --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --upgrade -c requirements.lock -o requirements-spark.lock

# What a release is made of: every locked package (CycloneDX), and its licence. The tools stay out of the lock.
sbom: $(VENV)/.installed  ## needs pipx
	@mkdir -p dist
	@pipx run --spec cyclonedx-bom==7.5.0 cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --of JSON -o dist/sbom.cdx.json $(BIN)/python
	@pipx run --spec pip-licenses==5.5.5 pip-licenses --python $(BIN)/python --from=mixed --with-urls --format=csv \
	  --output-file dist/licences.csv

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
