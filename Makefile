# Every target sets up .venv by itself when it is missing or out of date.
VENV   := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
READY  := $(VENV)/.installed

.PHONY: help demo test soak lint format bench engine clean

help:
	@echo "make demo     a Monte Carlo of an injection burn: table, picture, manifest, flow run"
	@echo "make test     the tests (under 10 minutes)"
	@echo "make soak     long rounds of injected faults"
	@echo "make lint     ruff and mypy"
	@echo "make bench    the flow beside the bare engine loop, and aggregation"
	@echo "make engine   which GMAT engine is used"
	@echo "make clean    remove .venv and what the targets leave"

$(READY): pyproject.toml constraints.txt tools/bootstrap.sh
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh $(VENV)

demo: $(READY)
	@$(PYTHON_IN_VENV) examples/injection_dispersion.py

test: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m "not soak" -n 2 --dist loadfile $(ARGS)

soak: $(READY)
	$(PYTHON_IN_VENV) -m pytest -m soak $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(READY)
	$(PYTHON_IN_VENV) benchmarks/throughput.py --json benchmarks/results/throughput.json
	$(PYTHON_IN_VENV) benchmarks/aggregation.py --json benchmarks/results/aggregation.json

engine: $(READY)
	@$(VENV)/bin/gmat-sweep engine

clean:
	rm -rf $(VENV) demo-output benchmarks/results .mypy_cache .pytest_cache .ruff_cache .hypothesis
