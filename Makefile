# Every target sets up what it needs. The virtual environment is .venv in this folder.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: demo test slow lint types bench recordings model firmware clean

demo: $(STAMP)
	$(VENV)/bin/groundsweep demo

# As many at a time as tests/conftest.py says, for many wait for devices that play at their own speed.
test: $(STAMP)
	$(VENV)/bin/pytest -n auto --dist worksteal -m "not slow and not benchmark"

# -rP tells the figures that were measured.
slow: $(STAMP)
	$(VENV)/bin/pytest -n auto --maxschedchunk 1 -rP -m "slow"

lint: $(STAMP)
	$(VENV)/bin/ruff check .

types: $(STAMP)
	$(VENV)/bin/mypy

bench: $(STAMP)
	$(VENV)/bin/pytest -m benchmark -s

# Builds the reference firmware and runs it on an emulated board, as a serial port of this machine.
firmware: $(STAMP)
	$(VENV)/bin/groundsweep firmware run

# Rebuilds recordings/ from the development data beside the checkout.
recordings: $(STAMP)
	$(VENV)/bin/python recordings/build.py

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "groundsweep needs Python 3.11 or later; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
