# `make demo` and `make test` need python3 >= 3.10 (with venv), gcc and make; they install the rest into .venv.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo

# The matrices are small: one thread is no slower, and the result does not depend on the number of cores.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo device-demo test unit fuzz mutation lint wheel clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.installed ## train, export, prove and try a model on the shipped data; writes demo/
	$(BIN)/embbert train home -o $(DEMO)/model --arch both --overwrite $(TRAIN_FLAGS)
	$(BIN)/embbert export c $(DEMO)/model -o $(DEMO)/c --overwrite
	$(BIN)/embbert verify $(DEMO)/model --on host
	$(BIN)/embbert size $(DEMO)/model
	$(BIN)/embbert predict $(DEMO)/model "turn the lights off in the kitchen"

device-demo: $(VENV)/.installed ## classify texts on an emulated Cortex-M4, over its serial port
	@test -d $(DEMO)/model || $(MAKE) demo
	$(BIN)/embbert export c $(DEMO)/model -o $(DEMO)/c --overwrite
	$(MAKE) -C examples/bare-metal run MODEL=$(abspath $(DEMO))/c BUILD=$(abspath $(DEMO))/bare-metal

test: lint ## everything: lint, types, all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

unit: $(VENV)/.installed-dev ## the quick tests
	$(BIN)/python -m pytest tests/unit -m "not slow" -q

fuzz: $(VENV)/.installed-dev ## feed libFuzzer's bytes to tokenizer and weights, FUZZ_SECONDS each (300)
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),300) $(BIN)/python -m pytest tests/fuzz -q

mutation: $(VENV)/.installed-dev ## change runtime and generator PER_FILE (20, or all) times each: what do the tests kill?
	PYTHONPATH=tests $(BIN)/python -m mutation $(if $(filter all,$(PER_FILE)),--all,--per-file $(or $(PER_FILE),20)) $(MUTATION_FLAGS)

lint: $(VENV)/.installed-dev ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

wheel: $(VENV)/.installed-dev ## build dist/*.whl
	$(BIN)/python -m build --wheel

clean: ## remove everything that make wrote
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what is installed; they grow stale with the files that say what to install.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "embbert needs Python 3.10 or newer; name one with  make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks venv: run  apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing into $(VENV); the first time takes minutes"
	@$(PIP) install -qq -c constraints.txt -e ".[train]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests need"
	@$(PIP) install -qq -c constraints.txt -e ".[train,plot,emulate,dev]"
	@$(PIP) install -qq -c constraints.txt -e ".[peers]" || echo "going on without fastText" >&2
	@touch $@
