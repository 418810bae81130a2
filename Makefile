.DEFAULT_GOAL := help
SHELL := /bin/bash
UV_VERSION := 0.13.9
PY := .venv/bin/python
PYTEST := .venv/bin/pytest
# Tests that start a whole sandbox each: they run after the others, two files at a time.
WHOLE := $(addprefix tests/contract/test_,$(addsuffix .py,bad_input compose compose_docker compose_profiles docker_service localstack real_names second_stack tflocal whole_gateway))

.PHONY: help setup demo demo-rollback up down lint type test unit contract e2e chaos apps-test bench docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

setup: .venv/.ready tools/.venv/.ready tools/checkov/.venv/.ready apps/frontend/node_modules/.ready ## Install everything, start nothing

.venv/.ready: pyproject.toml uv.lock
	@echo "- Python dependencies (locked)"
	@test -x $(PY) || python3 -m venv .venv
	@test -x .venv/bin/uv || .venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@.venv/bin/uv sync --frozen --quiet --compile-bytecode
	@touch $@

tools/.venv/.ready: tools/pyproject.toml tools/uv.lock | .venv/.ready
	@echo "- scanners that pipelines run (locked)"
	@.venv/bin/uv sync --project tools --frozen --quiet --compile-bytecode
	@touch $@

tools/checkov/.venv/.ready: tools/checkov/pyproject.toml tools/checkov/uv.lock | .venv/.ready
	@echo "- checkov (locked)"
	@.venv/bin/uv sync --project tools/checkov --frozen --quiet --compile-bytecode
	@touch $@

apps/frontend/node_modules/.ready: apps/frontend/package.json apps/frontend/package-lock.json
	@echo "- front-end dependencies (locked)"
	@cd apps/frontend && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Only the tests need it: an open LocalStack to forward to.
tools/localstack/.venv/.ready: tools/localstack/pyproject.toml tools/localstack/uv.lock | .venv/.ready
	@echo "- LocalStack, for the tests of its target (locked)"
	@.venv/bin/uv sync --project tools/localstack --frozen --quiet --compile-bytecode
	@touch $@

demo: setup ## The whole road, from git push to a canary in production
	@.venv/bin/sandbox demo $(if $(MANUAL),--manual)

demo-rollback: setup ## A release that fails its health gate in prod and is rolled back
	@.venv/bin/sandbox demo --rollback $(if $(MANUAL),--manual)

up: setup ## Start the sandbox
	@.venv/bin/sandbox up

down: setup ## Stop the sandbox
	@.venv/bin/sandbox down

lint: setup ## Style, types and import rules
	.venv/bin/ruff check sandbox fake_harness tests benchmarks
	.venv/bin/ruff format --check sandbox fake_harness tests benchmarks
	.venv/bin/mypy
	.venv/bin/lint-imports
	@if command -v terraform >/dev/null; then terraform fmt -check -recursive infra; fi

test: lint unit contract chaos apps-test e2e ## Every test

unit: setup ## Fast, pure tests
	$(PYTEST) tests/unit -n 2 -q

contract: setup tools/localstack/.venv/.ready ## Real clients over HTTP
	$(PYTEST) tests/contract -n 3 --dist loadfile -q --reruns 1 --rerun-show-tracebacks $(WHOLE:%=--ignore=%)
	$(PYTEST) $(WHOLE) -n 2 --dist loadfile -q --reruns 1 --rerun-show-tracebacks

e2e: setup ## The demo and its rollback, on processes and on Docker
	$(PYTEST) tests/e2e -n 2 --dist loadfile -q

chaos: setup ## Processes killed at every point and at random
	$(PYTEST) tests/chaos -q --reruns 1 --rerun-show-tracebacks

apps-test: setup ## The workshop's own tests
	cd apps/frontend && npm run --silent lint && npm run --silent typecheck && npm test --silent
	@test -x apps/backend/.venv/bin/python || .venv/bin/uv venv --quiet apps/backend/.venv
	@VIRTUAL_ENV=apps/backend/.venv .venv/bin/uv pip install --quiet -r apps/backend/requirements-dev.txt
	cd apps/backend && .venv/bin/python -m pytest -q

bench: setup ## Measure ratios and record them in docs/benchmarks.md
	$(PY) -m benchmarks

docs: setup ## Regenerate the documents that come from code
	$(PY) -m fake_harness.pipeline.steps > docs/steps.md

clean: ## Remove what setup installed
	rm -rf .venv tools/.venv tools/checkov/.venv tools/localstack/.venv apps/frontend/node_modules apps/backend/.venv
