# One line a target; each does all of its own set-up on a machine with Python 3.11, pip and make.
PYTHON ?= python3.11
BIN := .venv/bin
DISTRIBUTIONS := core plugins/nnunet plugins/brats cli plugins/nnunetv2-commands
SOURCES := $(addsuffix /src,$(DISTRIBUTIONS))

.PHONY: setup demo test test-slow lint types clean

setup: .venv/ready  ## every distribution of the repository, editable, and the development tools, in ./.venv

.venv/ready: constraints.txt requirements-dev.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --requirement requirements-dev.txt $(addprefix --editable ,$(DISTRIBUTIONS))
	touch $@

demo: setup  ## phantom data -> trained, validated model -> prediction -> picture, in minutes
	$(BIN)/nnplug demo --output nnplug-demo

# A core per worker: torch's threads of two processes on two cores mostly wait for each other.
test: setup  ## the whole suite but what takes minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy $(SOURCES) plugins/_template/src

clean:
	rm -rf .venv nnplug-demo
