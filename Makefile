# `make` lists the targets. Every target does its own set-up.
PYTHON ?= python3
VENV := .venv
# Commands run as modules, so that a checkout can be moved: the first line of a script has the path of its installation.
RUN := $(VENV)/bin/python -m

.PHONY: help run setup test lint long sure lock dist image can-build-image bench bench-footprint bench-growth bench-migrations bench-runtimes bench-search
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

run: setup ## Create what is missing and serve on http://127.0.0.1:8000
	@$(RUN) agents_app serve

setup: $(VENV)/.flask ## Install the console's packages into .venv

# With -E, Python ignores PYTHON variables. The tests remove the other variables themselves.
TESTS := $(VENV)/bin/python -E -m pytest -n 2 --dist worksteal
unexport PYTEST_ADDOPTS PYTEST_PLUGINS

test: lint ## Check style and types, then run all tests but the long ones
	$(TESTS) -m "not long"

lint: $(VENV)/.test ## Check style and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

long: $(VENV)/.benchmarks ## Run the long tests
	$(TESTS) -m long

sure: test long ## Check style and types, then run all tests

# The SBOM is made from an environment with what the wheel installs, and nothing else.
INTO_DIST := $(RUN) pip --python dist/.venv/bin/python --quiet --disable-pip-version-check install --no-compile
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' agents_app/__init__.py)

dist: $(VENV)/.test ## Build the wheel, the source archive, the SBOM and their hashes into dist/
	@rm -rf dist
	@$(RUN) hatchling build -d dist
	@cp requirements-wheel.txt dist/requirements.txt
	@$(RUN) venv --without-pip dist/.venv
	@$(INTO_DIST) --require-hashes -r dist/requirements.txt
	@$(INTO_DIST) --no-deps --no-index dist/*.whl
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > dist/.venv/pyproject.toml
	@$(RUN) cyclonedx_py environment dist/.venv --pyproject dist/.venv/pyproject.toml --mc-type application \
		--output-reproducible -o dist/sbom.cdx.json
	@rm -r dist/.venv
	@cd dist && sha256sum * > SHA256SUMS

image: can-build-image dist ## Build the image into dist/ (as root, with Debian's buildah and mmdebstrap)
	@deploy/build-image dist
	@cd dist && sha256sum *.image.tar >> SHA256SUMS

can-build-image:
	@[ "$$(id -u)" = 0 ] && command -v buildah >/dev/null && command -v mmdebstrap >/dev/null || \
		$(call refuse,make image needs root and two packages: apt-get install buildah mmdebstrap)

bench: $(VENV)/.benchmarks ## Measure what requests cost (OPTIONS='--rows 1000000' for more rows)
	@$(RUN) benchmarks.requests $(OPTIONS)

bench-footprint: $(VENV)/.benchmarks ## Measure memory and start (OPTIONS='new --starts 3' for this release only)
	@$(RUN) benchmarks.footprint $(OPTIONS)

bench-growth: $(VENV)/.test ## Explain every list at a million agents (OPTIONS='--agents 10000 100000' for fewer)
	@$(RUN) benchmarks.growth $(OPTIONS)

bench-migrations: $(VENV)/.test ## Upgrade a million agents under load (OPTIONS='--agents 20000' for fewer)
	@$(RUN) benchmarks.migrations $(OPTIONS)

bench-search: $(VENV)/.test ## Search a million agents on both databases (OPTIONS='--rows 10000' for fewer)
	@$(RUN) benchmarks.search $(OPTIONS)

bench-runtimes: $(VENV)/.test ## Let 5,000 runtimes ask once a minute (OPTIONS='--runtimes 100 --seconds 60' for fewer)
	@$(RUN) benchmarks.runtimes $(OPTIONS)

LOCK := $(RUN) uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --quiet --upgrade

lock: $(VENV)/.test ## Update requirements*.txt to the newest versions of what pyproject.toml names
	$(LOCK) --group checkout -o requirements.txt
	$(LOCK) -c requirements.txt -o requirements-wheel.txt
	$(LOCK) --group checkout --extra mssql -c requirements.txt -o requirements-mssql.txt
	$(LOCK) --group checkout --extra mssql --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK:pyproject.toml=) --group benchmarks -c requirements.txt -o benchmarks/requirements.txt

INSTALL := $(RUN) pip install --quiet --disable-pip-version-check --require-hashes

$(VENV)/.run: requirements.txt $(VENV)/bin/python
	@echo "Installing the console's packages into $(VENV) (once, about a minute)..."
	@$(INSTALL) -r requirements.txt
	@touch $@

# Flask's command, with the version of the console in --version. It works in a checkout that was moved, too.
$(VENV)/.flask: $(VENV)/.run
	@printf '%s\n' '#!/bin/sh' 'bin=$$(dirname "$$(readlink -f "$$0")")' \
		'exec "$$bin/python" -P "$$bin/../../agents_app/flask_command.py" "$$@"' \
		> $(VENV)/bin/flask
	@chmod +x $(VENV)/bin/flask
	@touch $@

$(VENV)/.test: requirements-dev.txt $(VENV)/.flask
	@echo "Installing the packages for tests into $(VENV) (once)..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

$(VENV)/.benchmarks: benchmarks/requirements.txt $(VENV)/.test
	@echo "Installing the packages for benchmarks into $(VENV) (once)..."
	@$(INSTALL) --upgrade --target $(VENV)/benchmarks -r $<
	@touch $@

refuse = { echo "$(1)" >&2; exit 1; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		$(call refuse,Python 3.11 or later is required. Name it with: make run PYTHON=/path/to/python3.11)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		$(call refuse,This Python does not have the module venv. On Debian and Ubuntu: apt-get install python3-venv)
	@echo "Creating the virtual environment $(VENV) (once)..."
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV) 2>/dev/null; exit 1; }

# If PYTHON names another version than the one in the venv, the venv is created again.
version = $(shell $(1) -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)
ifneq ($(origin PYTHON),file)
ifneq ($(call version,$(PYTHON)),$(call version,$(VENV)/bin/python))
.PHONY: $(VENV)/bin/python
endif
endif
