# `make help` lists the targets. PYTHON=python3.12 chooses the interpreter, VENV=folder the environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

# Idle OpenMP threads that spin slow a shared machine down many times.
export OMP_WAIT_POLICY = passive

.DEFAULT_GOAL := help
.PHONY: help quickstart demo test lint clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: $(STAMP) ## install what is needed into .venv, then check the style and run the tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile

quickstart: $(STAMP) ## learn from generated videos and show it: minutes on a CPU, no data needed
	$(BIN)/python tools/quickstart.py $(DEMO)

demo: quickstart

lint: $(STAMP) ## check the style only
	$(BIN)/python -m ruff check .

clean: ## remove caches and build products; .venv, results and data stay
	rm -rf build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "MAVOS needs Python 3.10 or newer; say which: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[test,plots,download]'
	@# opencv-python wants libGL and friends from the system; its headless twin does not
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { $(BIN)/pip uninstall -q -y opencv-python; \
		$(BIN)/pip install --disable-pip-version-check opencv-python-headless; }
	@touch $@
