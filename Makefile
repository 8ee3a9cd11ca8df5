# The commands of the project. `make` alone lists them. Needed: Python 3.11 or newer, pip, make.

PYTHON ?= python3

# The interpreter is the one above, never a downloaded one; certificates are those that the machine trusts.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= 1
export PYTHON

LOCK := .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SQLITE := DATABASE_URL=sqlite:///var/suite.sqlite3

.NOTPARALLEL:
.PHONY: help run test test-pg test-browser check format lock dist install-test image-test fuzz faults bench bench-desk clients stack stack-test clean env python free-port

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: python free-port env ## the service with demo data on http://127.0.0.1:8000 (HOST, PORT, DATABASE_URL)
	@exec .venv/bin/python tools/run

# Each process of a suite, and there are many, would compile all libraries again where no bytecode may be kept.
test test-pg: export PYTHONDONTWRITEBYTECODE :=
test test-pg: export PYTHONPYCACHEPREFIX := $(CURDIR)/var/pycache

test: env ## the whole suite on SQLite (ARGS="-k login" for a part)
	@$(SQLITE) .venv/bin/pytest -n 2 --dist worksteal $(ARGS)

test-pg: env ## what reaches the database, on PostgreSQL: TEST_DATABASE_URL or a temporary cluster (ARGS=--all)
	@.venv/bin/python tools/with_postgres .venv/bin/pytest -n 2 --dist worksteal $(ARGS)

test-browser: env ## the support desk in a real Chromium (SCREENSHOTS=docs/screenshots takes its pictures anew)
	@.venv/bin/pytest -m browser tests/browser $(ARGS)

check: env ## format, lint, types, layers, migrations, deployment, OpenAPI, compose file, lock files
	@tools/check

format: env ## write the code as `make check` wants it
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format .

lock: env ## lock the dependencies of pyproject.toml again (ARGS=--upgrade for newer ones)
	@$(LOCK) $(ARGS) pyproject.toml -o requirements.lock
	@$(LOCK) $(ARGS) pyproject.toml --group dev -o requirements-dev.lock
	@$(LOCK) $(ARGS) pyproject.toml --group bench -o requirements-bench.lock
	@$(LOCK) $(ARGS) --group clients -o requirements-clients.lock
	@$(LOCK) $(ARGS) --group stack -o requirements-stack.lock
	@$(LOCK) $(ARGS) tools/bootstrap.in -o tools/bootstrap.lock

dist: env ## build the wheel that docs/install.md installs: dist/
	@rm -rf dist; .tools/bin/uv build --quiet --wheel --no-build-isolation --python .venv/bin/python --out-dir dist
	@cp requirements.lock dist/; ls dist

install-test: dist ## install the wheel into a fresh environment, start it, and ask it
	@.venv/bin/python tools/install_test

image-test: env ## build the image from Debian's packages, run it without rights, and ask it (root, buildah, podman)
	@.venv/bin/python tools/image_test

fuzz: env ## send a running service what its own OpenAPI document allows, and more
	@.venv/bin/python -m tests.fuzz $(ARGS)

faults: env ## kill, freeze and flood real processes, a quarter of an hour (ARGS="--quick freeze" for a part)
	@.venv/bin/python -m tests.faults $(ARGS)

bench bench-desk: var/bench/venv/.installed

var/bench/venv/.installed: requirements-bench.lock | env
	@[ -x var/bench/venv/bin/python ] || .tools/bin/uv venv --quiet --python .venv/bin/python var/bench/venv
	@.tools/bin/uv pip sync --quiet --python var/bench/venv/bin/python --require-hashes requirements-bench.lock
	@touch $@

bench: ## measure against what one would write instead: bench/RESULTS.md (needs wrk, nginx, PostgreSQL; ARGS=--help)
	@var/bench/venv/bin/python -m bench $(ARGS)

bench-desk: ## time the pages of the support desk at a million devices and ten million requests
	@var/bench/venv/bin/python -m bench.desk $(ARGS)

stack: var/stack/venv/.installed ## three database hosts, two app hosts and nginx, in namespaces of this machine (root)
	@.venv/bin/python tools/stack run

stack-test: var/stack/venv/.installed ## lose each host and program of the stack under load, and count (ARGS="--quick crash")
	@.venv/bin/python tools/stack test $(ARGS)

var/stack/venv/.installed: requirements-stack.lock | env
	@# Patroni runs as postgres, which may not enter the home of an interpreter of one's own.
	@[ -x var/stack/venv/bin/python ] || .tools/bin/uv venv --quiet --python /usr/bin/python3 var/stack/venv
	@.tools/bin/uv pip sync --quiet --python var/stack/venv/bin/python --require-hashes requirements-stack.lock
	@touch $@

clients: var/clients/venv/.installed ## the generators of clients, for the tests that use them

var/clients/venv/.installed: requirements-clients.lock | env
	@[ -x var/clients/venv/bin/python ] || .tools/bin/uv venv --quiet --python .venv/bin/python var/clients/venv
	@.tools/bin/uv pip sync --quiet --python var/clients/venv/bin/python --require-hashes requirements-clients.lock
	@touch $@

clean: ## remove everything made here but your data (.env and the database in var/)
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage var/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env: .venv/.installed

.venv/.installed: pyproject.toml requirements-dev.lock tools/bootstrap.lock tools/env | python
	@tools/env

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is none: $$($(PYTHON) --version 2>&1 | tail -1)." \
	       "Name another one, for example: make PYTHON=python3.12 $(firstword $(MAKECMDGOALS))"; exit 1; } >&2

free-port:
	@$(PYTHON) tools/run --check-port
