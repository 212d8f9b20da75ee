# `make` lists what can be done here. Every target does its own set-up.
PYTHON ?= python3
VENV := .venv
# By module, so that a checkout may be moved: a script's first line holds the path it was installed under.
RUN := $(VENV)/bin/python -m

.PHONY: help run setup test lint long sure lock
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

# What `.env` holds is read by the console itself, which says in one line what is wrong with it.
run: export FLASK_SKIP_DOTENV := 1
run: setup ## Set up what is missing and serve on http://127.0.0.1:8000
	@$(RUN) flask prepare
	@$(RUN) flask serve

setup: $(VENV)/.flask ## Install what the console needs into .venv

# With -E Python takes no setting from the environment. What else stands there is cleared by the tests themselves.
TESTS := $(VENV)/bin/python -E -m pytest -n 2
unexport PYTEST_ADDOPTS PYTEST_PLUGINS

test: lint ## Check style and types, then run every test that this machine allows
	$(TESTS) -m "not long"

lint: $(VENV)/.test ## Check style and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

long: $(VENV)/.test ## Run the tests that take long
	$(TESTS) -m long

sure: test long ## Everything: style, types, all tests and the long ones

LOCK := $(RUN) uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --upgrade --quiet

lock: $(VENV)/.test ## Choose newest versions anew: requirements.in -> requirements.txt
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt

INSTALL := $(RUN) pip install --quiet --disable-pip-version-check --require-hashes

$(VENV)/.run: requirements.txt $(VENV)/bin/python
	@echo "Installing what the console needs into $(VENV) (once)..."
	@$(INSTALL) -r requirements.txt
	@touch $@

# Flask's command, with the version of the console in --version. It works in a checkout that was moved, too.
$(VENV)/.flask: $(VENV)/.run
	@printf '%s\n' '#!/bin/sh' 'bin=$${0%/*}' 'exec "$$bin/python" -P "$$bin/../../agents_app/flask_command.py" "$$@"' \
		> $(VENV)/bin/flask
	@chmod +x $(VENV)/bin/flask
	@touch $@

$(VENV)/.test: requirements-dev.txt $(VENV)/.flask
	@echo "Installing what the tests need into $(VENV) (once)..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

refuse = { echo "$(1)" >&2; exit 1; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		$(call refuse,Python 3.11 or later is needed. Say where it is with: make run PYTHON=/path/to/python3.11)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		$(call refuse,This Python lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv)
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV) 2>/dev/null; exit 1; }

# A Python that is asked for by name, other than the one in use, is taken: the venv is made anew.
version = $(shell $(1) -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)
ifneq ($(origin PYTHON),file)
ifneq ($(call version,$(PYTHON)),$(call version,$(VENV)/bin/python))
.PHONY: $(VENV)/bin/python
endif
endif
