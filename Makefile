# make test | check | demo | serve | bench: each does its own set-up in .venv and needs only Python >= 3.11 and make.

VENV ?= .venv
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PATHS := $(wildcard policy_middleware integrations tests examples benchmarks scripts)

.PHONY: help test check demo serve bench format clean
.DEFAULT_GOAL := help

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is newer than pyproject.toml once everything it asks for is installed. An environment that is
# already there is completed, not replaced; one whose interpreter is gone is made anew.
$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "policy-middleware needs Python 3.11 or later; none is on PATH" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || rm -rf $(VENV)
ifneq ($(UV),)
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --quiet --inexact --extra check --extra bench
else
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip install --quiet --editable '.[check,bench]'
endif
	@touch $@

test: $(READY) ## run the tests on every core (ARGS="-k mask" is handed to pytest; ARGS="-n 0" runs them in one process)
	$(BIN)/python -m pytest -n auto $(ARGS)

check: $(READY) ## formatting, lint, types, import rules, spelling
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/typos

format: $(READY) ## format the code and mend what can be mended by itself
	$(BIN)/ruff format $(PATHS)
	$(BIN)/ruff check --fix $(PATHS)

demo: $(READY) ## watch three real apps and a real server go through every effect
	$(BIN)/python -m examples.demo

serve: $(READY) ## run the FastAPI example over a real server until Ctrl-C
	$(BIN)/python -m examples.demo --serve

bench: $(READY) ## print the figures, side by side in one run
	$(BIN)/python -m benchmarks.decide
	$(BIN)/python -m benchmarks.middleware
	$(BIN)/python -m benchmarks.counters
	$(BIN)/python -m benchmarks.masking_streams
	$(BIN)/python -m benchmarks.detection
	$(BIN)/python -m benchmarks.masking
	$(BIN)/python -m benchmarks.masking_json
	$(BIN)/python -m benchmarks.masking_hostile

clean: ## remove the environment and every cache
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
