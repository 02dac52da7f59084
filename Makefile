# One line a target; each does all of its own set-up on a machine with Python 3.11, pip and make.
PYTHON ?= python3.11
BIN := .venv/bin
DISTRIBUTIONS := core plugins/nnunet plugins/cpu plugins/cuda plugins/brats plugins/dask plugins/readers plugins/dicom plugins/report plugins/export plugins/trackers plugins/runtime plugins/server plugins/hub plugins/layouts plugins/zarr plugins/nnssl plugins/fast cli plugins/nnunetv2-commands
SOURCES := $(addsuffix /src,$(DISTRIBUTIONS))

.PHONY: setup demo test test-slow lint types docs notebook bench bench-quick torture clean

setup: .venv/ready  ## every distribution of the repository, editable, and the development tools, in ./.venv

.venv/ready: VERSION constraints.txt requirements-dev.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation $(addprefix --editable ,$(DISTRIBUTIONS))
	touch $@

demo: setup  ## phantom data -> trained, validated model -> prediction -> picture, in minutes
	$(BIN)/nnplug demo --output nnplug-demo

# A core per worker: torch's threads of two processes on two cores mostly wait for each other.
test: setup  ## the whole suite but what takes minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2

test-slow: setup
	$(BIN)/python -m pytest -m slow --timeout 3600

.PHONY: wheels
wheels: setup  ## wheel and sdist of every distribution, of the version in VERSION, into ./dist
	$(BIN)/python -m release.wheels

.PHONY: test-wheels
PYTHONS ?= python3.11 python3.12 python3.13
test-wheels: wheels  ## the demo, installed from ./dist into fresh environments; PYTHONS=.. names them, TORCH="torch==2.13.0+cpu" a build
	$(BIN)/python -m release.fresh $(PYTHONS) $(if $(TORCH),--torch "$(TORCH)")

.PHONY: test-lowest
test-lowest: setup  ## chosen tests with the lowest versions that the distributions allow; TORCH="torch==2.13.0+cpu": a build of PyTorch
	$(BIN)/python -m release.lowest --python $(PYTHON) $(if $(TORCH),--torch "$(TORCH)")

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy $(SOURCES) plugins/_template/src $(wildcard docs/examples/*/src) tests/foreign/src release

# NO_MKDOCS_2_WARNING: a notice of the theme's maker about its successor is no warning of ours.
docs: setup  ## the documentation site, in site/; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# PEER=/path/to/python takes another environment that has nnunetv2==2.8.1.
PEER ?= bench/.venv/bin/python

notebook: setup  ## docs/notebooks/*.ipynb from the .py files beside them: executed, with pictures
	$(BIN)/python docs/make_notebook.py

bench: setup $(PEER)  ## every row of docs/benchmarks.md against nnunetv2, on a quiet machine: hours; ROWS="step help" for some
	$(BIN)/python bench/run.py --peer $(PEER) $(ROWS)

bench-quick: setup $(PEER)  ## every row, small and once, those for GPUs on the CPU: do they run?
	$(BIN)/python bench/run.py --peer $(PEER) --quick $(ROWS)
	$(BIN)/python bench/run.py --peer $(PEER) --rehearse $(ROWS)

torture: setup  ## kills, full disks, damaged files, sizes and hours in their long form; CAMPAIGNS="kill disk" for some
	$(BIN)/python -m tests.torture $(CAMPAIGNS)

bench/.venv/bin/python:
	bench/setup $(PYTHON) bench/.venv

clean:
	rm -rf .venv bench/.venv nnplug-demo site dist
