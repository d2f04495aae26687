# The one door. Needs Python 3.11 or newer and make; everything else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PLUGINS := plugins/linguistics plugins/psychology plugins/knowledge plugins/complexity plugins/torchjd
JOBS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test check check-format check-lint check-types check-imports format docs bench soak

help:
	@echo "make demo      fuse four disciplines on real film reviews, and compare with one alone"
	@echo "make test      run the whole suite, in two processes (JOBS=...)"
	@echo "make check     format, lint, types, import contract"
	@echo "make format    put into format what 'make check' finds"
	@echo "make docs      build the documentation site into docs/_build/html; a warning is an error"
	@echo "make bench     measure the check, the graph's page, the list of plugins, and a training step"
	@echo "make soak      kill and resume 200 trainings, and try 10,000 mutants of valid fusions (MUTANTS=..., SEED=...)"
	@echo "make install   the environment alone, in $(VENV)"
	@echo
	@echo "Another interpreter: make PYTHON=python3.12 ..."

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/consilience demo

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

check: check-format check-lint check-types check-imports

check-format: $(INSTALLED)
	$(BIN)/ruff format --check .

check-lint: $(INSTALLED)
	$(BIN)/ruff check .

check-types: $(INSTALLED)
	$(BIN)/mypy

check-imports: $(INSTALLED)
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(INSTALLED)
	$(BIN)/python -m docs.builder

bench: $(INSTALLED)
	$(BIN)/python benchmarks/check.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/plugins.py
	$(BIN)/python benchmarks/step.py

soak: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kills
	$(BIN)/python -m tests.soundness.soak

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Consilience needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) --version 2>&1 | head -n 1`." >&2; \
	  echo "Name another: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }

$(INSTALLED): pyproject.toml constraints.txt $(PLUGINS:=/pyproject.toml) | $(BIN)/python
	@echo "Installing Consilience, its four disciplines and torchjd into $(VENV) (a few minutes the first time)"
	@$(PIP) install -qq --upgrade pip
	@$(PIP) install -qq --constraint constraints.txt --editable '.[demo,dev,docs]' $(PLUGINS:%=--editable ./%)
	@touch $@
