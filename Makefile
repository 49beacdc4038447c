# The commands of the project. The first one that needs it makes .venv from the exact versions of constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
TWO_CORES := -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run experiments tensorboard docs test test-fast test-browser lint format typecheck clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /|/' | awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'
	@echo "PYTHON=python3.12 before or after make chooses the interpreter of .venv (3.11 or newer)."

run: $(INSTALLED) ## the main job: depth against width on the zig-zag
	$(BIN)/dlcourse -m experiment=depth_vs_width_zigzag

# Those that a report reads. A sweep of which some runs failed (exit code 1) has said so, and has its results.
experiments: $(INSTALLED) ## every experiment: its sweeps, its tables and figures (half an hour to an hour on two cores)
	for settings in configs/experiment/*.yaml; do \
		name=$$(basename $$settings .yaml); grep -q "experiment=$$name$$" experiments/*/report.py || continue; \
		$(BIN)/dlcourse -m experiment=$$name || [ $$? -eq 1 ] || exit 1; done
	printf '%s\n' experiments/*/report.py | xargs -n 1 -P 2 $(BIN)/python # each on a core, as hardly any of them uses two

tensorboard: $(INSTALLED) ## look at everything in outputs/
	@echo "depth against width: http://localhost:6006/#depth_width"
	$(BIN)/tensorboard --logdir outputs

docs: $(INSTALLED) ## these pages and the API as a site: build/site/index.html
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees . build/site
	@touch build/site/index.html # is as new as its sources, also where nothing had to be written

test: $(INSTALLED) ## the tests, but those of test-browser
	$(BIN)/pytest $(TWO_CORES) -m "not browser and not site and not wheel"

test-fast: $(INSTALLED) ## the quick tests, for the inner loop
	$(BIN)/pytest $(TWO_CORES) -m "not slow and not browser and not site and not wheel" --hypothesis-profile=fast

test-browser: docs ## the tests of the site, of the wheel, and in a real browser
	$(BIN)/pytest $(TWO_CORES) -m "browser or site or wheel"

lint: $(INSTALLED) ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(INSTALLED) ## repair style and formatting where that is safe
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: $(INSTALLED) ## check the types
	$(BIN)/mypy

clean: ## remove .venv, builds and caches; outputs/ stays
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Written last, so that an interrupted installation starts again. The build tools come first and from the same pins,
# which is why nothing is built in isolation from them.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dlcourse needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1); try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt hatchling setuptools
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
