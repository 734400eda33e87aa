# The same commands for people, the README and CI. Everything installs into .venv; nothing else is needed but Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check bench docs install dev clients ib-async clean

run: $(VENV)/.installed  ## trade one synthetic session with the simulated gateway
	$(BIN)/mia run $(ARGS)

test: $(VENV)/.installed-dev  ## all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed-dev  ## lint, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## latency of a cycle, beside its floor
	$(BIN)/mia bench cycle $(ARGS)

ib-async: $(VENV)/.installed  ## trade through ib_async instead of ib_insync
	$(BIN)/python -m pip uninstall --quiet --yes ib_insync eventkit
	$(PIP) --force-reinstall --no-deps ib_async aeventkit

CLIENTS := .venv-clients
clients: $(CLIENTS)/.installed  ## environments of the foreign API clients that the tests hold against the gateway

$(CLIENTS)/.installed: $(wildcard tests/clients/constraints-*.txt)
	@echo "installing foreign API clients into $(CLIENTS), for tests only (about 150 MB, once)"
	@$(call client,ib_async,ib_async)
	@$(call client,ibapi,nautilus-ibapi protobuf)
	@$(call client,ibapi-9.81,ibapi)
	@touch $@

client = $(PYTHON) -m venv $(CLIENTS)/$(1) && $(CLIENTS)/$(1)/bin/python -m pip install --quiet \
	--disable-pip-version-check --constraint tests/clients/constraints-$(1).txt $(2)

docs: $(VENV)/.installed  ## regenerate what the docs show of the code
	$(BIN)/mia schema > docs/supervision.schema.json

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "mia-actors needs Python 3.11: install it, or give its path: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing mia-actors into $(VENV) (about 1 GB, once)"
	$(PIP) --editable .
	$(BIN)/python -m mia_actors.cycle.warm
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing mia-actors and its development tools into $(VENV) (about 1.3 GB, once)"
	$(PIP) --editable '.[train,dev]'
	$(BIN)/python -m mia_actors.cycle.warm
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
