# Everything runs in .venv; `make setup` is repeated only when pyproject.toml has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
ARGS ?=

.PHONY: setup live test check bench train test-gpu test-vcam test-obs

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: run make setup PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print("\n".join(p["dependencies"] + p["optional-dependencies"]["test"]))' > $(STAMP).part
	$(BIN)/python -m pip install --disable-pip-version-check -q -r $(STAMP).part
	mv $(STAMP).part $(STAMP)

live: setup
	$(BIN)/python run_live.py $(ARGS)

test: setup
	$(BIN)/python -m pytest tests $(ARGS)

check: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: setup
	mkdir -p out
	$(BIN)/python -m benchmarks.latency --report out/latency.json $(ARGS)

train test-gpu test-vcam test-obs:
	@echo "make $@ has no work yet: it belongs to an issue that is still open"; exit 2
