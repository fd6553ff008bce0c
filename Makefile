# Two commands on a fresh machine: `make demo` and `make test`. Each target does the set-up it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Beside the main environment, so that removing the checkout removes everything it made.
export FF2NEURO_LAVA_ENV ?= $(CURDIR)/.lava-venv
export FF2NEURO_XYLOSIM_ENV ?= $(CURDIR)/.xylosim-venv
export FF2NEURO_BRIAN2_LOIHI_ENV ?= $(CURDIR)/.brian2-loihi-venv

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak second-opinion conformance check clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt tests/cross_simulator/readers.txt
	$(PYTHON) -m venv $(VENV)
	# torch first and alone: this is the version for which a CPU build may be at hand.
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,dev,lava]'
	# Without what they ask for beside their NIR readers: see the file.
	$(BIN)/python -m pip install --quiet --no-deps -r tests/cross_simulator/readers.txt
	touch $@

$(VENV)/.lava-installed: hardware/lava_backend/requirements.txt $(VENV)/.installed
	$(BIN)/ff2neuro backends install lava
	touch $@

$(VENV)/.xylosim-installed: hardware/xylosim_backend/requirements.txt $(VENV)/.installed
	$(BIN)/ff2neuro backends install xylosim
	touch $@

setup: $(VENV)/.installed $(VENV)/.lava-installed  ## make the environments of ff2neuro and of Lava

demo: setup  ## train, export to NIR, run in Lava, judge
	mkdir -p demo-output
	$(BIN)/ff2neuro train --dataset digits --seed 1 --out demo-output/run --force
	$(BIN)/ff2neuro export demo-output/run --target nir --out demo-output/network.nir --force
	$(BIN)/ff2neuro validate demo-output/run demo-output/network.nir --backend lava --max-accuracy-drop 1.0 \
		--min-latent-agreement 0.95
	@echo "made demo-output/run (model, configuration, metrics) and demo-output/network.nir"

# Built for this platform only; elsewhere its tests are skipped.
XYLOSIM := $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),$(VENV)/.xylosim-installed)

test: setup $(XYLOSIM)  ## all tests, the real Lava and Xylo simulators and the real NIR readers included
	FF2NEURO_REQUIRE_LAVA=1 FF2NEURO_REQUIRE_READERS=1 FF2NEURO_REQUIRE_XYLOSIM=$(if $(XYLOSIM),1,0) $(BIN)/python -m pytest

soak: setup  ## every fault that Lava can have, twenty times
	SOAK=20 FF2NEURO_REQUIRE_LAVA=1 $(BIN)/python -m pytest tests/integration/test_lava_faults.py

# Slow, to install and to run.
second-opinion: setup  ## the contract of backends on brian2-loihi, which it installs
	$(BIN)/ff2neuro backends install brian2-loihi
	FF2NEURO_REQUIRE_BRIAN2_LOIHI=1 $(BIN)/python -m pytest tests/cross_simulator/test_backend_contract.py -k brian2-loihi

# Readers whose requirements clash with ours. Sinabs without samna, a stub that installs packages when it is imported.
CONFORMANCE := .conformance

$(CONFORMANCE)/sinabs/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet torch==2.13.0 numpy==2.4.6 h5py==3.16.0 nir==1.0.4 nirtorch==2.0.2 \
		pbr==7.1.3 matplotlib==3.11.2
	$(@D)/bin/python -m pip install --quiet --no-deps sinabs==3.1.3
	touch $@

$(CONFORMANCE)/spyx/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet spyx==1.0.0 nir==1.0.8
	touch $@

conformance: setup $(CONFORMANCE)/sinabs/.installed $(CONFORMANCE)/spyx/.installed  ## run every NIR reader we know
	$(BIN)/python -m benchmarks.conformance \
		sinabs=$(CONFORMANCE)/sinabs/bin/python spyx=$(CONFORMANCE)/spyx/bin/python

check: setup  ## style, formatting, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove the environments and what the demo made
	rm -rf $(VENV) $(FF2NEURO_LAVA_ENV) $(FF2NEURO_XYLOSIM_ENV) $(FF2NEURO_BRIAN2_LOIHI_ENV) $(CONFORMANCE) demo-output build dist
