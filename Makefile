# One command for everything: `make test`. It needs Python 3.11 or newer, make and pip.

.DEFAULT_GOAL := help
.NOTPARALLEL:

BIN := .venv/bin
DEV := .venv/dev.stamp
PINS := pyproject.toml requirements/install.txt scripts/install
SHELL_SCRIPTS := $(shell grep -slE '^\#!.*/(env bash|sh)$$' .ci/* scripts/* requirements/*)

# Processes that run tests at the same time; 0 runs them in one, where a debugger can be used.
WORKERS ?= auto
# A test that is left out for want of a server or a tool is a failure in CI.
NO_SKIPS := $(if $(filter true,$(CI)),-p tests.deploy.no_skips)

.PHONY: help
help: ## say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 22
	@echo "PYTHON=… names the Python to make .venv from; DEMO_ARGS, TEST_ARGS, BENCH_ARGS are passed on"

.PHONY: test
test: lint types layers unit ## everything, in this order, up to the first failure

.PHONY: lint
lint: $(DEV) ## ruff, shellcheck and hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck $(SHELL_SCRIPTS)
	$(BIN)/hadolint Dockerfile

.PHONY: types
types: $(DEV) ## mypy, strict
	$(BIN)/mypy

.PHONY: layers
layers: $(DEV) ## import-linter: which layer may import which
	$(BIN)/lint-imports

.PHONY: unit
unit: $(DEV) ## the tests with branch coverage, the core's at 100 %
	@scripts/servers
	# KUBECONFIG may name a cluster that is not for testing.
	env -u KUBECONFIG $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --cov --cov-report= $(NO_SKIPS) $(TEST_ARGS)
	$(BIN)/coverage report
	$(BIN)/coverage report --include='autoscaler/core/*' --fail-under=100

.PHONY: test-cluster
test-cluster: named-cluster $(DEV) ## the tests that can run against the cluster that KUBECONFIG names
	$(BIN)/python -m pytest -m cluster $(TEST_ARGS)

.PHONY: named-cluster
named-cluster:
	@test -r "$(KUBECONFIG)" || { echo "KUBECONFIG has to name the file of the cluster to test against" >&2; exit 2; }

# A demo with --json prints one object and nothing else, so nothing here may write to standard output.
.PHONY: demo
demo: $(if $(wildcard $(DEV)),$(DEV),.venv/demo.stamp) ## the autoscaler at work on this machine, without a cluster
	@$(BIN)/autoscaler demo $(DEMO_ARGS)

.PHONY: test-airflow
test-airflow: $(DEV) ## a real Airflow 3, scaled from zero and back: minutes, and about 3 GB
	@scripts/servers
	PYTHONPATH=. $(BIN)/python scripts/airflow_trial.py $(TEST_ARGS)

.PHONY: soak
soak: $(DEV) ## hundreds of scale-ins with real workers, beside a naive autoscaler: half an hour
	@scripts/servers
	@PYTHONPATH=. $(BIN)/python -m benchmarks.soak $(BENCH_ARGS)

.PHONY: neighbour
neighbour: $(DEV) ## ten minutes with real workers beside a CPU HorizontalPodAutoscaler
	@scripts/servers
	@PYTHONPATH=. $(BIN)/python -m benchmarks.neighbour $(BENCH_ARGS)

.PHONY: bench-reaction
bench-reaction: $(DEV) ## how long from a task to a worker
	@$(BIN)/python benchmarks/reaction.py $(BENCH_ARGS)

.PHONY: bench-quota
bench-quota: $(DEV) ## a full quota that is raised: what is refused, and how soon the new room is used
	@PYTHONPATH=. $(BIN)/python -m benchmarks.quota $(BENCH_ARGS)

.PHONY: clean
clean: ## remove what was installed, built and cached
	rm -rf .venv .cache .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/%.stamp: requirements/%.txt $(PINS)
	@scripts/install $* >&2
	@touch $@
