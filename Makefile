# The set-up on a fresh machine: `make demo` or `make test`; all that is needed is python3 (3.11 or newer), pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WORKERS ?= auto

.PHONY: demo test faults check bench constraints docs clean

demo: $(VENV)/.base
	@mkdir -p demo
	$(BIN)/wayframe demo --out demo/travel.mp4 --force
	@echo
	@echo "The video is demo/travel.mp4. Next: your own pictures."
	@echo "  $(BIN)/wayframe run a.jpg b.jpg c.jpg --frames 49 --out trip.mp4"
	@echo "  $(BIN)/wayframe new PICTURES/ --out trip.yaml"

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# The tests that kill, freeze and cut off real processes, with many seeds instead of three; about an hour on two cores.
SEEDS ?= 25
faults: $(VENV)/.test
	WAYFRAME_FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m faults

check: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_shape.py

bench: $(VENV)/.test
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# spandrel for the tests of models that enlarge, without torchvision: that is several gigabytes where torch is a build for
# CUDA, and two of spandrel's forty architectures need it.
ALONE := spandrel==0.4.2 einops==0.8.2

# Pins for the tests, from the declared ranges; run it after a change of dependencies and commit the result.
# torch stays at TORCH: a newer one is another build of several gigabytes.
TORCH := 2.13.0
constraints:
	$(PYTHON) -m venv build/pins
	build/pins/bin/python -m pip install --quiet --disable-pip-version-check "torch==$(TORCH)" --editable ".[wan,page,prompts,test,check]"
	build/pins/bin/python -m pip freeze --exclude-editable | tr 'A-Z_' 'a-z-' | sed 's/+cpu//' | sort > constraints.txt
	rm -rf build/pins

docs: $(VENV)/.test
	$(BIN)/python -m wayframe.cli.docs cli > docs/cli.md
	$(BIN)/python -m wayframe.cli.docs findings > docs/findings.md

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt --editable ".[wan,page,prompts,test,check]"
	$(PIP) --no-deps $(ALONE)
	@touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
