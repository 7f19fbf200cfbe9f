# Onset's commands. `make` alone lists them. Everything is installed into .venv and .uv of this
# directory; nothing outside it is changed.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# Honoured as `make demo PORT=8001` and as `PORT=8001 make demo`; what is not set stays unset.
$(foreach name,DATABASE_URL REDIS_URL PORT DATA RESET TO BY BENCH_SCALE,$(if $(value $(name)),$(eval export $(name))))

# The interpreter that .venv is made from; python3.11 to python3.13.
PYTHON ?= python3
UV_VERSION := 0.13.9
PY := .venv/bin/python

.PHONY: help
help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: .venv/.stamp ## Start everything on this machine (PORT=8000 DATA=var/demo RESET=1)
	@exec $(PY) -m clinic.embedded.demo

.PHONY: clock
clock: .venv/.stamp ## Turn the running demo's time (TO=2027-01-11T09:00-07:00, BY=7d or RESET=1)
	@exec $(PY) -m clinic.embedded.turn

.PHONY: test
test: .venv/.stamp ## Run the tests on a PostgreSQL and Redis of their own (ARGS=-k\ booking)
	@exec $(PY) -m clinic.embedded.services --fast -- $(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: check
check: .venv/.stamp ## Lint, types, layers, migrations: what must pass before the tests
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@DJANGO_SETTINGS_MODULE=clinic.settings.test $(PY) -m clinic.embedded.services --fast -- \
		$(PY) manage.py makemigrations --check --dry-run
	@DJANGO_SETTINGS_MODULE=clinic.settings.test $(PY) manage.py check_migrations
	@DJANGO_SETTINGS_MODULE=clinic.settings.test $(PY) manage.py check --fail-level WARNING

.PHONY: bench-book
bench-book: .venv/.stamp ## Measure bookings per second, and 64 clients on one slot
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.book $(ARGS)

.PHONY: bench-schedule
bench-schedule: .venv/.stamp ## Measure searching, booking and races in a full clinic (BENCH_SCALE=0.1: a smaller one)
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.schedule $(ARGS)

.PHONY: bench-outreach
bench-outreach: .venv/.stamp ## Measure how fast a full outbox drains (BENCH_SCALE=0.1: a smaller one)
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.outreach $(ARGS)

.PHONY: bench-answers
bench-answers: .venv/.stamp ## Measure a burst of 10,000 answers, 1 % of them alarms (BENCH_SCALE=0.1: a smaller one)
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.answers $(ARGS)

.PHONY: bench-search
bench-search: .venv/.stamp ## Measure finding one of 200,000 patients (BENCH_SCALE=0.1: fewer)
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.search $(ARGS)

.PHONY: bench-measures
bench-measures: .venv/.stamp ## Measure the managers' page over a million sessions (BENCH_SCALE=0.1: a smaller one)
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.measures $(ARGS)

.PHONY: bench-board
bench-board: .venv/.stamp ## Measure the day board: 60 chairs, 300 visits, 50 boards open at once
	@exec $(PY) -m clinic.embedded.services -- $(PY) -m bench.board $(ARGS)

.PHONY: openapi
openapi: .venv/.stamp ## Write the API's schema to docs/openapi.yaml
	@DJANGO_SETTINGS_MODULE=clinic.settings.test $(PY) manage.py spectacular --validate --fail-on-warn \
		--file docs/openapi.yaml

.PHONY: install
install: .venv/.stamp ## Install what uv.lock names into .venv

.venv/.stamp: uv.lock pyproject.toml .uv/.stamp-$(UV_VERSION)
	@echo "Installing Python packages into .venv"
	@UV_PYTHON_DOWNLOADS=never UV_PYTHON="$(PYTHON)" UV_PROJECT_ENVIRONMENT=.venv .uv/bin/uv sync --frozen --quiet || { \
		echo "onset: the packages of uv.lock could not be installed into .venv (uv's reason is above)." >&2; exit 1; }
	@touch $@

.uv/.stamp-$(UV_VERSION):
	@command -v $(PYTHON) >/dev/null || { \
		echo "onset: $(PYTHON) is missing: install Python 3.11 or later (apt install python3 python3-venv)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "onset: $$($(PYTHON) --version) is not supported: use 3.11 to 3.13, as in make PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "onset: Python's venv module is missing: install it (apt install python3-venv)." >&2; exit 1; }
	@echo "Installing uv $(UV_VERSION) into .uv"
	@rm -rf .uv
	@$(PYTHON) -m venv .uv || { \
		echo "onset: $(PYTHON) could not make a virtual environment in .uv." >&2; rm -rf .uv; exit 1; }
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
		echo "onset: uv could not be installed from PyPI (pip's reason is above)." >&2; rm -rf .uv; exit 1; }
	@touch $@

.PHONY: clean
clean: ## Remove .venv, .uv and caches (the demo's data in var/ stays)
	@rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
