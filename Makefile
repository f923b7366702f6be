# `make demo` and `make test` work on a fresh machine with Python 3.10 or newer and nothing else installed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
NEEDS = setup.cfg constraints.txt pyproject.toml
# fastai itself, and what of its dependencies the rest doesn't bring. It also asks for torchvision, which doesn't
# import beside a CPU build of torch, and for spaCy; its tabular and text learners use neither.
FASTAI = fastai fasttransform fastdownload plum-dispatch beartype pandas
# Tests run in one process per core, up to eight.
ON_ALL_CORES = -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder --durations 10 --durations-min 1
PYTEST = $(BIN)/python $(ON_ALL_CORES)
# The environment with the oldest versions that setup.cfg allows, the extras that it has, and the tests that run in it.
OLDEST = $(VENV)-oldest
OLDEST_EXTRAS = data cli accelerate lightning transformers
CORE = cli curve learner loops lr_find plot probes processes range_test restores snapshot suggest sweep accelerate lightning transformers

.PHONY: demo test test-thorough test-oldest package budget browser docs prepare outputs benchmark readme lint clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo "make demo     find a learning rate for handwritten digits, and draw it"
	@echo "make test     all checks: notebooks clean, library and README in step, lint, notebooks run, pytest"
	@echo "make test-thorough   the same tests with ten times the examples, in random order"
	@echo "make test-oldest   the core's tests with the oldest versions that setup.cfg allows (a CUDA build of torch: 5 GB)"
	@echo "make package  build source distribution and wheel into dist, and check them"
	@echo "make browser  install a browser, where there is none, for the tests of the site"
	@echo "make docs     build the site from the executed notebooks, in _docs/html"
	@echo "make prepare  after editing notebooks: clean, export, write stubs and README"
	@echo "make outputs  run all notebooks, and store the outputs that have changed"
	@echo "make benchmark   after changing a rule: ask for all suggestions anew, and judge them (half an hour)"
	@echo "make budget   after adding tests: record in tests/seconds.txt how long each file takes"
	@echo "make clean    remove the environment and what builds left behind"

demo: $(VENV)/.core
	$(BIN)/fastlr find-lr digits -s runs/digits -f

test: $(VENV)/.dev
	@echo "1 of 3: notebooks clean, library and README in step with them, lint"
	@$(BIN)/python tools/in_step.py
	@$(BIN)/ruff check
	@echo "2 of 3: notebooks run, and give the outputs that are stored"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/run_notebooks.py
	@echo "3 of 3: pytest"
	@$(BIN)/python tools/browser.py > /dev/null || true
	@$(PYTEST)
	@echo "make test: all checks passed"

test-thorough: $(VENV)/.dev
	$(PYTEST) --verbose --thorough --random-order

test-oldest: $(OLDEST)/.made
	$(OLDEST)/bin/python $(ON_ALL_CORES) $(CORE:%=tests/test_%.py)

package: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

budget: $(VENV)/.dev
	$(PYTEST) --write-budget

browser: $(VENV)/.dev
	@$(BIN)/python tools/browser.py --install

docs: $(VENV)/.dev
	$(BIN)/python tools/docs.py

lint: $(VENV)/.dev
	$(BIN)/ruff check

prepare: $(VENV)/.dev
	$(BIN)/nbdev_clean
	$(BIN)/nbdev_export
	$(BIN)/python tools/stubs.py
	$(BIN)/python tools/readme.py

outputs: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/run_notebooks.py --write; status=$$?; \
		$(MAKE) --no-print-directory prepare && exit $$status

benchmark: $(VENV)/.tasks
	$(BIN)/python benchmarks/suggestions.py
	@$(MAKE) --no-print-directory outputs

readme: $(VENV)/.dev
	$(BIN)/python tools/readme.py

# pip always takes the newest versions; uv can look for the oldest ones. With the oldest Python: PYTHON=/path/to/python3.10
$(OLDEST)/.made: setup.cfg
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --python $(OLDEST)/bin/python --resolution lowest-direct -r setup.cfg $(OLDEST_EXTRAS:%=--extra %)
	$(OLDEST)/bin/uv pip install --python $(OLDEST)/bin/python --no-deps -e .
	$(OLDEST)/bin/uv pip install --python $(OLDEST)/bin/python pytest pytest-xdist hypothesis psutil torchdata
	@touch $@

# An environment is made once, and again when what it is made from has changed.
$(VENV)/.core: $(NEEDS) | $(VENV)/bin/python
	@echo "Installing into $(VENV) (once; PyTorch is large) ..."
	$(PIP_INSTALL) -e '.[data,cli]'
	@touch $@

$(VENV)/.dev: $(NEEDS) | $(VENV)/bin/python
	@echo "Installing into $(VENV) (once; PyTorch is large) ..."
	$(PIP_INSTALL) -e '.[dev]'
	$(PIP_INSTALL) --no-deps $(FASTAI)
	@touch $@ $(VENV)/.core

$(VENV)/.tasks: $(VENV)/.dev
	$(PIP_INSTALL) -e '.[tasks]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "fastlr needs Python 3.10 or newer: pass PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

clean:
	rm -rf $(VENV) $(VENV)-plain $(OLDEST) _docs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
