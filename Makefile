# On a machine with nothing but Python 3.11+ and make:
#
#   make run ARGS="new -d -s demo -- python3 -q"    run agentmux; without ARGS it opens the view
#   make test       lint, types and tests        make prove    the tests that take minutes
#   make bench      the benchmarks               make load     an hour of 300 sessions
#   make fuzz       bad input, for as long as ARGS="--seconds N TARGET ..." says; see CONTRIBUTING.md
#   make clean      remove what these made
#
# Everything is installed in .venv, as users get it: an editable install would add a hook to each start.
# PYTHON names another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml README.md LICENSE $(wildcard man/*.[1357]) \
	$(shell find cli mux store -type f ! -name '*.py[co]')

unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport ARGS

.PHONY: run test lint types pytest prove bench load fuzz clean

# What make itself exports would end up in the environment of every session.
run: $(VENV)/.installed
	@env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL -u MAKE_TERMOUT -u MAKE_TERMERR $(BIN)/agentmux $(ARGS)

test: lint types pytest

lint: $(VENV)/.ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-to-test
	$(BIN)/mypy -p agentmux.api -p agentmux.cli -p agentmux.mux -p agentmux.store

# Most tests wait, for processes and for pauses that are the product's: four at a time keep two cores at work. Where one
# worker has nothing left it takes half of what another still has, so no long file stays for one alone.
# The folders can't be imported as agentmux.*, so what is tested is what is installed.
pytest: $(VENV)/.ready-to-test $(VENV)/.installed
	$(BIN)/pytest -n 4 --dist worksteal -m "not prove" $(ARGS)

prove: $(VENV)/.ready-to-test $(VENV)/.installed
	$(BIN)/pytest -m prove $(ARGS)

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py $(ARGS)

# Real agents, if AGENTMUX_TEST_AGENTS names some, are started as tests start them.
load: $(VENV)/.ready-to-test $(VENV)/.installed
	$(BIN)/python benchmarks/load.py $(ARGS)

fuzz: $(VENV)/.installed
	$(BIN)/python tests/fuzz/fuzz.py $(ARGS)

clean:
	rm -rf $(VENV) build agentmux_cli.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find cli mux store tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# An older pip writes a script that imports re, which makes every command half as slow again.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "agentmux needs Python 3.11 or newer, this is " \
		+ sys.version.split()[0] + ": name another with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "pip>=25.1" "setuptools>=77"
	@touch $@

# setuptools puts into the next wheel whatever an earlier build has left: a module renamed since, for one.
$(VENV)/.installed: $(VENV)/.made $(VENV)/.sources $(SOURCES)
	@rm -rf build agentmux_cli.egg-info
	$(PIP) install --no-build-isolation .
	@rm -rf build agentmux_cli.egg-info
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.made pyproject.toml
	@rm -rf build agentmux_cli.egg-info
	$(PIP) install --no-build-isolation ".[test]"
	@rm -rf build agentmux_cli.egg-info
	@touch $@

# A file that is gone is newer than nothing: compare the list of names.
$(VENV)/.sources: $(VENV)/.made FORCE
	@echo '$(sort $(SOURCES))' | cmp -s - $@ || echo '$(sort $(SOURCES))' > $@

.PHONY: FORCE
FORCE:
