# One verb for each thing one does here; the same locally and in CI. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test e2e faults bench lint fix live-check migrate doctor clean set-up set-up-test
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
export PYTHON
# Own modules are compiled once and kept: a start takes half the time.
unexport PYTHONDONTWRITEBYTECODE

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: set-up ## Run the portal on this machine (PORT=8000 changes the port)
	@$(PY) -m portal run

test: set-up-test ## Run all tests: unit, integration, browser journeys (ARGS=… is passed to pytest)
	@$(PY) -m tests.browsers
	@$(PY) -m tests.side_by_side $(ARGS)

e2e: set-up-test ## Run the browser journeys alone
	@$(PY) -m tests.browsers
	@$(PYTEST) e2e $(ARGS)

faults: set-up-test ## Break everything the portal depends on, row by row, and see that nothing is lost
	@$(PY) -m tests.faults $(ARGS)

bench: set-up-test ## Measure everything in turn and print one table (PEERS=1, ARGS="--short ordering memory")
	@$(PY) -m tests.bench $(if $(PEERS),--peers) $(ARGS)

lint: set-up-test ## Check style and types
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

fix: set-up-test ## Repair what ruff can repair
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

live-check: set-up-test ## Run the contract tests against real Stripe (needs STRIPE_TEST_SECRET_KEY)
	@if [ -z "$$STRIPE_TEST_SECRET_KEY" ]; then \
		echo "STRIPE_TEST_SECRET_KEY is not set, so nothing was checked. Set it to a test key (sk_test_…)."; \
	else $(PYTEST) -m live tests e2e $(ARGS); fi

migrate: set-up ## Bring the database up to date
	@$(PY) -m portal migrate

doctor: set-up ## Check this machine and the settings
	@$(PY) -m portal doctor

clean: ## Remove the virtual environment and caches; data in .portal stays
	@rm -rf .venv .portal-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis artifacts
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@scripts/set-up.sh run

set-up-test:
	@scripts/set-up.sh test
