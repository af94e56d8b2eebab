# `make` lists the targets. Everything that they install stays in .venv and .cache, but for Maven: where Kafka needs it and
# we are root, it comes from Debian's packages.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# The first Python that is new enough, really runs, and can make an environment; asked only when one is made.
PYTHON = $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$python && break; done)

# Where Kafka cannot be had its tests are left out, unless TASUKI_REQUIRE_KAFKA=1; pytest's last lines then say so.
# The same with Chromium and TASUKI_REQUIRE_CHROMIUM=1, helm and TASUKI_REQUIRE_HELM=1.
CHROMIUM = { deploy/chromium.sh || [ "$$TASUKI_REQUIRE_CHROMIUM" != 1 ]; }
HELM = { deploy/helm/install.sh >/dev/null || [ "$$TASUKI_REQUIRE_HELM" != 1 ]; }
KAFKA = { deploy/kafka/install.sh >/dev/null || [ "$$TASUKI_REQUIRE_KAFKA" != 1 ]; }

.PHONY: help run run-kafka kafka kafka-cluster demo test test-faults soak mutants check format generate client bench bench-console bench-growth bench-handoff bench-ingest bench-metrics bench-peers docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

run: $(VENV)/installed ## run everything: PostgreSQL, the services, the console (Ctrl-C stops it)
	@exec $(BIN)/tasuki run

run-kafka: $(VENV)/installed ## run everything on a real Kafka 4.1 of one broker, without Docker
	@deploy/kafka/install.sh >/dev/null && exec $(BIN)/tasuki kafka --run

kafka: $(VENV)/installed ## run Apache Kafka 4.1 without Docker: one broker on port 9092
	@deploy/kafka/install.sh >/dev/null && exec $(BIN)/tasuki kafka

kafka-cluster: $(VENV)/installed ## the same with three brokers, three replicas and at least two in sync: 9092 to 9094
	@deploy/kafka/install.sh >/dev/null && exec $(BIN)/tasuki kafka --brokers 3

demo: $(VENV)/installed ## a week of a team of eight, through the running system's public API, and a board of its KPIs
	@exec $(BIN)/tasuki demo

test: $(VENV)/installed-dev ## run all tests (sets up what they need)
	@$(KAFKA) && $(CHROMIUM) && $(HELM) && tools=$$(deploy/promtool.sh) && PATH="$$tools:$$PATH" $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-faults: $(VENV)/installed-dev ## kill everything again and again under load, for minutes
	@$(KAFKA) && $(BIN)/python -m pytest tests/faults -m 'long or not long' -rP $(ARGS)

soak: $(VENV)/installed-dev ## kill and pause everything every 10 s, on three brokers, for half an hour (ARGS='--minutes 2')
	@deploy/kafka/install.sh >/dev/null && exec $(BIN)/python -m tests.soak $(ARGS)

mutants: $(VENV)/installed-dev ## change policies and stages in every small way, and see whether a test notices (half an hour)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .cache/mutmut mutmut==3.8.1
	@PYTHONPATH=.cache/mutmut $(BIN)/python -m mutmut run $(ARGS) && PYTHONPATH=.cache/mutmut $(BIN)/python -m mutmut results

check: $(VENV)/installed-dev ## lint, format, types, architecture, generated files, licences, known holes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m deploy.materials build/materials.cdx.json
	$(BIN)/python -m deploy.audit

format: $(VENV)/installed-dev ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

generate: $(VENV)/installed-dev ## write the generated files anew
	$(BIN)/python -m docs.generate

client: $(VENV)/installed-dev ## build the client alone, as a wheel for programs that talk to Tasuki: build/
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir build deploy/client && ls build/tasuki_client-*.whl

bench: $(VENV)/installed-dev ## measure all that we are held to, beside peers, and write its report (ARGS=--quick: minutes)
	@bench/install-wrk.sh && { deploy/kafka/install.sh >/dev/null || true; } && exec $(BIN)/python -m bench $(ARGS)

bench-ingest: $(VENV)/installed-dev ## measure the door against an echo and a transaction a request (ARGS=--quick: a minute)
	@bench/install-wrk.sh && exec $(BIN)/python -m bench --only ingest $(ARGS)

bench-handoff: $(VENV)/installed-dev ## measure decisions and back-tests among 100,000 leads (ARGS=--quick: 10,000)
	@exec $(BIN)/python -m bench.handoff $(ARGS)

bench-console: $(VENV)/installed-dev ## measure the live board: how soon it opens, what 100 viewers cost (ARGS=--quick)
	@deploy/chromium.sh && exec $(BIN)/python -m bench.console $(ARGS)

bench-metrics: $(VENV)/installed-dev ## measure the numbers: consuming, growth, rebuild, answers, memory (ARGS=--quick: minutes)
	@exec $(BIN)/python -m bench.metrics $(ARGS)

bench-growth: $(VENV)/installed-dev ## measure 10 times the events, leads, reps, KPIs, partitions (ARGS=--quick: minutes)
	@exec $(BIN)/python -m bench.growth $(ARGS)

bench-peers: $(VENV)/installed-dev ## measure the numbers beside Kafka Streams and others (ARGS=--quick: minutes)
	@deploy/kafka/install.sh >/dev/null && exec $(BIN)/python -m bench.peers $(ARGS)

docs: $(VENV)/installed-dev ## build the documentation as a site, in Japanese and English, into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "To read it: python3 -m http.server --directory build/site"

lock: .cache/uv/bin/uv ## choose the newest versions of all dependencies anew
	@set -e; compile() { .cache/uv/bin/uv pip compile pyproject.toml --quiet --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group build "$$@"; }; \
	compile --output-file requirements.lock; \
	compile --extra otel --constraint requirements.lock --output-file requirements-otel.lock; \
	compile --extra otel --group dev --constraint requirements-otel.lock --output-file requirements-dev.lock; \
	.cache/uv/bin/uv pip compile bench/peers/requirements.in --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file bench/peers/requirements.txt; \
	! grep -n '://' requirements.lock requirements-otel.lock requirements-dev.lock bench/peers/requirements.txt

clean: ## remove what make has installed and what tools have cached (.data stays)
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Tasuki needs Python >= 3.11 with its venv module" \
		"(Debian and Ubuntu: apt-get install python3 python3-venv)."; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what requirements.lock names"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	@echo "Installing what requirements-dev.lock names"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

.cache/uv/bin/uv: | $(VENV)/bin/python
	@$(BIN)/python -m venv .cache/uv
	@.cache/uv/bin/python -m pip --quiet --disable-pip-version-check install 'uv>=0.13,<0.14'
