# Two commands on a fresh machine: `make demo` and `make test`. Each target does the set-up it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Beside the main environment, so that removing the checkout removes everything it made.
export FF2NEURO_LAVA_ENV ?= $(CURDIR)/.lava-venv

.DEFAULT_GOAL := help
.PHONY: help setup demo test check clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	# torch first and alone: this is the version for which a CPU build may be at hand.
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,dev,lava]'
	touch $@

$(FF2NEURO_LAVA_ENV)/.installed: hardware/lava_backend/requirements.txt | $(VENV)/.installed
	$(BIN)/ff2neuro backends install lava
	touch $@

setup: $(VENV)/.installed $(FF2NEURO_LAVA_ENV)/.installed  ## make both environments

demo: setup  ## train, export to NIR, run in Lava, judge
	mkdir -p demo-output
	$(BIN)/ff2neuro train --dataset digits --seed 1 --out demo-output/run --force
	$(BIN)/ff2neuro export demo-output/run --target nir --out demo-output/network.nir --force
	$(BIN)/ff2neuro validate demo-output/run demo-output/network.nir --backend lava --max-accuracy-drop 1.0
	@echo "made demo-output/run (model, configuration, metrics) and demo-output/network.nir"

test: setup  ## all tests, the real Lava simulator included
	FF2NEURO_REQUIRE_LAVA=1 $(BIN)/python -m pytest

check: setup  ## style, formatting, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove both environments and what the demo made
	rm -rf $(VENV) $(FF2NEURO_LAVA_ENV) demo-output build dist
