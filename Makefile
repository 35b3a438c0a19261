# `make` prints every target. BUDGET, SEEDS, FRESH, JOBS, LAUNCHER and ARGS reach the tables; PIP_ARGS reaches pip.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BUDGET ?=
SEEDS ?=
FRESH ?=
JOBS ?=
LAUNCHER ?=
ARGS ?=
PIP_ARGS ?=
TABLE ?=

# OpenMP threads that spin while waiting slow a busy machine down 10 to 100 times.
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONUNBUFFERED = 1

VENV := .venv
PY := $(VENV)/bin/python
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
CHOICE = budget=$(BUDGET) seeds=$(SEEDS) jobs=$(JOBS)
PRINT = @$(PY) -m experiments.table table=$@ $(CHOICE) fresh=$(FRESH) launcher=$(LAUNCHER) $(ARGS)

.PHONY: table1 classic-and-compact table2 squeezenet-vs-compression table3 squeezenet-bypass table4 shufflenet-groups
.PHONY: table5 shufflenet-vs-mobilenet table6 actual-speed guidelines table7 guideline-1 table8 guideline-2
.PHONY: table9 guideline-3 table10 guideline-4 table12 landmarks cascade table13 compression-methods
.PHONY: table11 shufflenet-v2 table14 peleenet table15 compact-mobilenet fd-mobilenet figure1 squeezenet-design-space
.PHONY: help setup doctor list plan tables report dashboard figures verify publish sync browse bench check test test-full clean-venv

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / {sub(/:.*/, "", $$1); printf "  %-38s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Tables take BUDGET=smoke|proxy|paper SEEDS=0,1,2 FRESH=1 JOBS=2 LAUNCHER=slurm ARGS=\"recipe.lr=0.02\"; set-up takes PIP_ARGS=."

setup: $(CORE) ## Create .venv, install the locked packages, fetch the default data
	@$(PY) -m experiments.fetch

doctor: ## Check Python, packages, data, disk, W&B and the results: what is wrong, and what to do
	@$(if $(wildcard $(PY)),$(PY),$(PYTHON)) -m experiments.doctor

table1 classic-and-compact: $(CORE) ## Classic and compact nets: size, multiply-adds, parameters; no training, seconds
	$(PRINT)

table2 squeezenet-vs-compression: $(CORE) ## SqueezeNet against compressed AlexNet: SVD, pruning, Deep Compression (paper's Table 2)
	$(PRINT)

table3 squeezenet-bypass: $(CORE) ## SqueezeNet without, with simple and with complex bypass (paper's Table 3)
	$(PRINT)

table4 shufflenet-groups: $(CORE) ## ShuffleNet: 1 to 8 groups, with and without channel shuffle (paper's Tables 2 and 3)
	$(PRINT)

table5 shufflenet-vs-mobilenet: $(CORE) ## ShuffleNet against MobileNet at equal multiply-adds (paper's Table 5)
	$(PRINT)

table6 actual-speed: $(CORE) ## Theoretical against actual speed of ShuffleNet, MobileNet, AlexNet on this CPU (paper's Table 8)
	$(PRINT)

guidelines: table7 table8 table9 table10 ## ShuffleNet V2's four guidelines, one after another: table7 to table10

table7 guideline-1: $(CORE) ## ShuffleNet V2's guideline 1: equal channel width is fastest (paper's Table 1); minutes
	$(PRINT)

table8 guideline-2: $(CORE) ## ShuffleNet V2's guideline 2: more groups are slower (paper's Table 2); minutes
	$(PRINT)

table9 guideline-3: $(CORE) ## ShuffleNet V2's guideline 3: more fragments are slower (paper's Table 3); minutes
	$(PRINT)

table10 guideline-4: $(CORE) ## ShuffleNet V2's guideline 4: element-wise operations cost time (paper's Table 4); minutes
	$(PRINT)

table11 shufflenet-v2: $(CORE) ## ShuffleNet V2 against V1, MobileNet V1 and V2: error and speed (paper's Table 8)
	$(PRINT)

table12 landmarks cascade: $(CORE) ## Cascaded MobileNet-V2 face landmarks: level_1 against level_2, and controls
	$(PRINT)

table13 compression-methods: $(CORE) ## Compression methods head to head on SqueezeNet 1.1 and MobileNet: error, file, speed
	$(PRINT)

table14 peleenet: $(CORE) ## PeleeNet: its design choices one by one, and against MobileNet (paper's Tables 2 and 3)
	$(PRINT)

table15 compact-mobilenet fd-mobilenet: $(CORE) ## Compact-MNet (FD-MobileNet) against MobileNet at equal multiply-adds
	$(PRINT)

figure1 squeezenet-design-space: $(CORE) ## SqueezeNet's design space: error against model size (paper's Figure 3)
	$(PRINT)

list: $(CORE) ## Every table with its state
	@$(PY) -m experiments.catalogue

plan: $(CORE) ## What TABLE=table3 would run, why, and how long it will take; runs nothing
	@$(PY) -m experiments.plan table=$(TABLE) $(CHOICE) $(ARGS)

tables: $(CORE) ## Render all tables again from the records of this machine
	@$(PY) -m experiments.render budget=$(BUDGET)

report: $(CORE) ## Tables, claims and runs as pages to look at: results/local/report
	@$(PY) -m experiments.report

dashboard: $(CORE) ## The same, shown in a browser; prints its address
	@$(PY) -m experiments.report open=true

figures: $(CORE) ## Every figure for a paper, as PNG, SVG and CSV: results/local/figures
	@$(PY) -m experiments.figures

verify: $(CORE) ## Check that the published tables are what the published records say
	@$(PY) -m experiments.verify

publish: $(CORE) ## Add this machine's finished runs of TABLE=table3 to results/published
	@$(PY) -m experiments.publish table=$(TABLE) $(ARGS)

sync: $(CORE) ## Upload the runs logged offline to W&B (needs `wandb login`)
	@$(PY) -m experiments.sync

browse: $(CORE) ## Browse the local W&B runs in this terminal
	@$(PY) -m experiments.browse

bench: $(DEV) ## How fast training and the commands are; needs an idle machine, some minutes
	@$(PY) -m experiments.bench $(ARGS)

check: $(DEV) ## Lint, format, types, import rules: seconds
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/pyright
	@$(PY) -m pytest -q tests/test_rules.py

test: $(DEV) ## The tests, whole commands at the smoke budget included: at most 10 minutes on two cores
	@$(PY) -m experiments.fetch
	@$(PY) -m pytest -m "not slow"

test-full: $(DEV) ## All tests, the slow ones too
	@$(PY) -m experiments.fetch
	@$(PY) -m pytest

clean-venv: ## Remove .venv
	@rm -rf $(VENV)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is not Python 3.11 or newer; install it, or name one: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
		{ rm -rf $(VENV); command -v uv >/dev/null && uv venv --quiet --seed --python $(PYTHON) $(VENV); } || \
		{ echo "error: $(PYTHON) -m venv does not work here; install python3-venv (Debian: apt-get install python3-venv) or uv" >&2; exit 2; }

# A stamp is written last, so that an interrupted installation is done again.
$(CORE): pyproject.toml requirements.lock | $(PY)
	@echo "installing the locked packages into $(VENV) (some minutes, once)"
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c requirements.lock -e .
	@touch $@

$(DEV): $(CORE)
	@echo "installing the development packages into $(VENV)"
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c requirements.lock -e ".[dev]"
	@touch $@
