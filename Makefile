# Every target sets up .venv by itself when it is missing or out of date.
VENV   := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
READY  := $(VENV)/.installed
PORT   := 4200
# Of the schedules. Without it, what the server has stays, or else it is UTC.
TIMEZONE ?=
RUNS   := 200 500 2000
ORCHESTRATED := 1000 10000 100000
# Two at a time, a file in one go, in the order of tests/conftest.py: the longest first.
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test services soak pages lint format docs bench engine up deploy down clean

help:
	@echo "make demo     a Monte Carlo of an injection burn: table, picture, manifest, flow run"
	@echo "make test     the tests (under 10 minutes)"
	@echo "make services the tests that start Prefect servers, Dask and Ray clusters, or run a page"
	@echo "make soak     long rounds of injected faults"
	@echo "make pages    what the Prefect UI shows, in headless Chromium; needs chromium"
	@echo "make lint     ruff and mypy"
	@echo "make docs     the documentation as a site, in site/: open site/index.html"
	@echo "make bench    half an hour of benchmarks, whose tables go into docs/performance.md"
	@echo "make up       a Prefect server and a Prefect worker on this machine (PORT=4200)"
	@echo "make deploy   the deployments and automations, on that server (TIMEZONE=Europe/Paris)"
	@echo "make down     end both, and what they run"
	@echo "make engine   which GMAT engine is used"
	@echo "make clean    remove .venv and what the targets leave"

$(READY): pyproject.toml constraints.txt tools/bootstrap.sh
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh $(VENV)

demo: $(READY)
	@$(PYTHON_IN_VENV) examples/injection_dispersion.py

test: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m "not soak and not browser and not services" $(BY_FILE) $(ARGS)

soak: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m soak -n 2 $(ARGS)

services: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m services $(BY_FILE) $(ARGS)

pages: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m browser $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The theme's advertisement of its successor is no warning of the build.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(PYTHON_IN_VENV) -m mkdocs build --strict --quiet

bench: $(READY)
	$(PYTHON_IN_VENV) benchmarks/startup.py --json benchmarks/results/startup.json
	$(PYTHON_IN_VENV) benchmarks/throughput.py --n $(RUNS) --json benchmarks/results/throughput.json
	$(PYTHON_IN_VENV) benchmarks/orchestration.py --n $(ORCHESTRATED) --json benchmarks/results/orchestration.json
	$(PYTHON_IN_VENV) benchmarks/aggregation.py --json benchmarks/results/aggregation.json
	$(PYTHON_IN_VENV) benchmarks/worker_cpu.py --json benchmarks/results/worker.json
	$(PYTHON_IN_VENV) benchmarks/performance_page.py

up deploy down: $(READY)
	@TIMEZONE='$(TIMEZONE)' $(PYTHON_IN_VENV) tools/local_prefect.py $@ --port $(PORT)

engine: $(READY)
	@$(VENV)/bin/gmat-sweep engine

clean:
	rm -rf $(VENV) site demo-output benchmarks/results .mypy_cache .pytest_cache .ruff_cache .hypothesis
