# Two commands are all: `make demo` and `make test`. Both set up what they need, and are quick the second time.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test install check lint format screenshots clean help

help:
	@echo 'make demo         install, then train the demo and watch it'
	@echo 'make test         install, then lint, type-check and run every test'
	@echo 'make format       format the code'
	@echo 'make screenshots  draw the pictures of the README again'

demo: install
	@$(BIN)/nli-console demo

test: install check
	@# Three on two cores: tests of a terminal wait much and compute little.
	@# What failed beside another test on a busy machine gets one more try, alone.
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder || $(BIN)/pytest --last-failed --last-failed-no-failures none

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright --pythonpath $(BIN)/python

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: install
	$(BIN)/python scripts/screenshots.py

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'nli-console needs Python 3.11 or newer; name one with: make demo PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.platform != "linux")' || { echo 'nli-console runs on Linux only.'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo 'could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@echo 'Installing into $(VENV) (a minute or two the first time) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) dist .pytest_cache .ruff_cache .hypothesis
