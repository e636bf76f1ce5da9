# `make` lists what there is. Every target sets up .venv by itself when pyproject.toml has changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
PIP    := $(BIN)/pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

# Iteration of a Python set depends on it; without it no seed of a simulation can be repeated.
export PYTHONHASHSEED := 0

# Plans that the simulation of the mesh plays (tests/mesh/test_mesh_seeds.py; the schedules of single
# types take their share); the pure build is slower and gets a tenth of them.
SEEDS      ?= 5000
PURE_SEEDS  = $(shell expr \( $(SEEDS) + 9 \) / 10)
# make soak SEEDS=100000; without SEEDS so many
SOAK_SEEDS ?= 50000
SOAKED      = $(if $(filter command environment,$(origin SEEDS)),$(SEEDS),$(SOAK_SEEDS))
# Generated commands of the differential test, which compares with Redis
SOAK_COMMANDS ?= 200000
JOBS       ?= 2
# More arguments for pytest, as in: make test PYTEST_ARGS='-k hashes'
PYTEST_ARGS ?=
# Arguments of `make bench`, as in: make bench BENCH='ratios --quick'; without any all parts run
BENCH ?=
# Arguments of `make up`, as in: make up ARGS='--nodes 3'
ARGS ?=

# Real processes and a real browser. Most of these tests wait most of the time, for a link or a
# heartbeat, so one more of them than there are cores runs side by side; what measures time to a few
# milliseconds is marked `alone`.
REAL   := tests/wire tests/admin_ui
REAL_JOBS = $(shell expr $(JOBS) + 1)
UNITS  := --ignore=tests/wire --ignore=tests/admin_ui --ignore=tests/mesh

# Left by `make build` in the source tree; named one by one so that nothing else can match.
BUILT = find conf node mesh admin_ui -name '*.so' -print; find . -maxdepth 1 -name 'plexis__mypyc*.so' -print

.PHONY: help up test test-compiled test-pure suite suite-mesh suite-real lint style types system build pure bench soak docs rewrite clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet 'setuptools>=77' wheel
	PLEXIS_PURE=1 $(PIP) install --quiet --no-build-isolation \
	    --config-settings editable_mode=compat --editable '.[dev]'
	touch $@

up: $(STAMP)  ## a mesh of two nodes on this machine, with its admin page
	$(BIN)/plexis up $(ARGS)

# The C compiler has one file and keeps one core busy for minutes: lint, types and the suite on pure
# Python, which looks at no compiled file, run beside it.
test: system $(STAMP)  ## lint, types, compiled build, the suite on it and on pure Python
	$(MAKE) --jobs 2 build lint test-pure
	$(MAKE) suite

test-compiled: build  ## the suite on the compiled build, sockets and browser included
	$(MAKE) suite

suite:
	@echo "compiled: PYTHONHASHSEED=$$PYTHONHASHSEED PLEXIS_SEEDS=$(SEEDS)"
	$(BIN)/python -c 'from node.build import compiled; assert compiled(), "not compiled"'
	PLEXIS_SEEDS=$(SEEDS) $(PYTEST) -n $(JOBS) --dist loadfile $(UNITS) $(PYTEST_ARGS)
	$(MAKE) --jobs 2 suite-mesh suite-real
	PLEXIS_SEEDS=$(SEEDS) $(PYTEST) -m alone $(REAL) $(PYTEST_ARGS)

# The simulation has the processor where tests of real processes leave it, and takes nothing of theirs.
suite-mesh:
	PLEXIS_SEEDS=$(SEEDS) nice -n 15 $(PYTEST) -n $(JOBS) --dist worksteal tests/mesh $(PYTEST_ARGS)

suite-real:
	PLEXIS_SEEDS=$(SEEDS) $(PYTEST) -n $(REAL_JOBS) --dist worksteal -m 'not alone' $(REAL) $(PYTEST_ARGS)

test-pure: export PLEXIS_PURE := 1
test-pure: $(STAMP)  ## the suite on pure Python, without sockets and browser
	@echo "pure Python: PYTHONHASHSEED=$$PYTHONHASHSEED PLEXIS_SEEDS=$(PURE_SEEDS)"
	$(BIN)/python -c 'from node.build import compiled; assert not compiled(), "not pure"'
	PLEXIS_SEEDS=$(PURE_SEEDS) $(PYTEST) -n $(JOBS) --dist loadfile --ignore=tests/wire \
	    -m 'not wire and not browser' $(PYTEST_ARGS)

lint: style types  ## ruff and mypy

style: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy --strict over the packages and the tests
	$(BIN)/mypy

# What the suite needs beside Python. apt-get is called only when something is missing and we may.
system:  ## system packages of the suite: says what is missing; installs it as root
	@missing=(); \
	command -v redis-cli >/dev/null || missing+=(redis-tools); \
	command -v redis-server >/dev/null || missing+=(redis-server); \
	test -e /usr/share/dict/words || missing+=(wamerican); \
	command -v chromium >/dev/null || missing+=(chromium); \
	if [ $${#missing[@]} -eq 0 ]; then echo "system packages: all there"; exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "system packages: installing $${missing[*]}"; \
	    apt-get update -q; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$${missing[@]}"; \
	else \
	    echo "system packages missing: apt-get install $${missing[*]}"; \
	    if [ "$${CI:-}" = true ]; then exit 1; fi; \
	    echo "the tests that need them are skipped"; \
	fi

# Not the cache of `types`, which runs beside it.
build: export MYPY_CACHE_DIR := build/mypy
build: $(STAMP)  ## compile the hot modules in place
	$(BIN)/python setup.py --quiet build_ext --inplace --parallel $(JOBS)

pure: $(STAMP)  ## remove what `make build` left, so that pure Python runs without PLEXIS_PURE
	@{ $(BUILT); } | while read -r file; do rm -v "$$file"; done

bench: build  ## measure speed and memory (docs/benchmarks.md); BENCH='ratios --quick' chooses
	$(BIN)/python -m bench $(BENCH)

soak: build  ## many seeds of the simulated mesh (SEEDS=100000), 20 rounds on real nodes, many commands beside Redis
	$(BIN)/python -m tests.support.soak --seeds $(SOAKED) --jobs $(JOBS)
	PLEXIS_SEEDS=$(SOAKED) $(PYTEST) -n $(JOBS) tests/mesh --ignore=tests/mesh/test_mesh_seeds.py \
	    $(PYTEST_ARGS)
	PLEXIS_ROUNDS=20 PLEXIS_ROUND_WRITES=1700 $(PYTEST) tests/wire/test_mesh_rounds.py $(PYTEST_ARGS)
	PLEXIS_COMMANDS=$(SOAK_COMMANDS) $(PYTEST) tests/commands/test_differential.py $(PYTEST_ARGS)

docs: $(STAMP)  ## make what is made in docs/ and conf/examples/ anew from the tables of directives and commands
	$(BIN)/python -m conf.document
	$(BIN)/python -m node.commands.document
	$(BIN)/python -m mesh.document

rewrite: $(STAMP)  ## what the transcripts would say if the servers were right, as a diff
	PLEXIS_REWRITE=1 $(PYTEST) tests/commands/test_transcripts.py -k 'test_on' -s $(PYTEST_ARGS)

clean: pure  ## remove builds, caches and .venv
	rm -rf build dist plexis.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis $(VENV)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
