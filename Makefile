# `make run` shows it working, `make test` proves it. Both set up what they need, here and nowhere else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
PIP = $(BIN)/pip install --quiet --disable-pip-version-check
PACKAGES := .venv/.packages
ENVIRONMENT := .venv/.complete
JARS := .eventos/jars/.complete
CONNECT_JARS := .eventos/connect-jars/.complete
UV := uv==0.13.9
PIP_AUDIT := pip-audit==2.10.1
AUDIT := .eventos/audit
LOCK = $(BIN)/uv --quiet pip compile --universal --generate-hashes --no-header --no-annotate pyproject.toml

# A folder of tests or one test, and more options: make test-some TESTS=tests/unit OPTIONS=-x
TESTS ?= tests
OPTIONS ?=

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## Make .venv and fetch Kafka's jars; done once, and again after a change of either
	@$(MAKE) --silent --jobs=2 $(ENVIRONMENT) $(if $(EVENTOS_KAFKA_BOOTSTRAP_SERVERS),,$(JARS))

.PHONY: run
run: setup ## Start Kafka, Postgres, all services and a demonstration, and watch
	@exec $(BIN)/eventos up --demo

.PHONY: test
test: setup check ## All checks, and all tests but the long ones, which have targets of their own
	@exec $(BIN)/pytest --numprocesses=2 -m "not benchmark and not long" $(OPTIONS)

.PHONY: test-unit
test-unit: setup ## The tests that need neither Kafka nor Postgres
	@exec $(BIN)/pytest tests/unit tests/contract $(OPTIONS)

.PHONY: test-some
test-some: setup ## Some tests: TESTS=path OPTIONS="-x -k words"
	@exec $(BIN)/pytest $(TESTS) $(OPTIONS)

.PHONY: test-kill
test-kill: setup ## Kill every service ten times while it drains 200,000 records; again with EVENTOS_TEST_SEED=n
	@exec $(BIN)/pytest tests/faults/test_kills.py -m long --capture=no $(OPTIONS)

.PHONY: test-faults
test-faults: setup ## Do every fault for real, and write what came of it to docs/reliability.md (30 minutes)
	@exec $(BIN)/pytest -m proves --numprocesses=2 --reliability=docs/reliability.md $(OPTIONS)

.PHONY: chaos
chaos: setup ## Faults at random for 10 minutes, three replicas of everything; again with EVENTOS_TEST_SEED=n
	@exec $(BIN)/pytest tests/faults/test_chaos.py -m long --capture=no $(OPTIONS)

.PHONY: test-property-long
test-property-long: setup ## The state machine and the fuzzer for half an hour; the fuzzer again with EVENTOS_TEST_SEED=n
	@exec $(BIN)/pytest tests/property -m long --capture=no $(OPTIONS)

.PHONY: coverage
coverage: setup ## Branch coverage of the domain code, which must be whole
	@exec $(BIN)/pytest tests/unit tests/property --cov=services --cov-branch --cov-report=term-missing $(OPTIONS)

.PHONY: check
check: lint types imports ## The checks that run no test

.PHONY: lint
lint: setup ## Style
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

.PHONY: types
types: setup ## Types, strictly
	@exec $(BIN)/mypy --no-error-summary

.PHONY: imports
imports: setup ## Who may import whom
	@$(BIN)/lint-imports --no-logo > .eventos/imports.log || { cat .eventos/imports.log; exit 1; }

.PHONY: format
format: setup ## Rewrite the code in the project's style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: contenders ## How fast, beside the limit and what others do, and at what cost; all from nothing (5 minutes)
	@exec $(BIN)/python -m tests.benchmarks $(OPTIONS)

.PHONY: bench-full
bench-full: contenders ## The same on 500,000 records, in rounds, with growth, replicas and a backfill (40 minutes)
	@exec $(BIN)/python -m tests.benchmarks --full $(OPTIONS)

.PHONY: soak
soak: setup ## 1,000 events/s for an hour: do memory and queues keep their size? Shorter: OPTIONS="--minutes 20"
	@exec $(BIN)/python -m tests.benchmarks --full --only soak $(OPTIONS)

.PHONY: bench-matching
bench-matching: setup ## Of the ten nearest sponsors, how many are found, by HNSW and by the design's ivfflat (2 minutes)
	@exec $(BIN)/python -m tests.benchmarks.sponsor_matching $(OPTIONS)

.PHONY: bench-indexes
bench-indexes: setup ## What each index of the hot tables costs a row that is written (5 minutes)
	@exec $(BIN)/python -m tests.benchmarks.index_cost $(OPTIONS)

.PHONY: capacity
capacity: setup ## What a cluster needs for 10,000 to a million events a second, by what the last benchmark measured
	@exec $(BIN)/python -m tests.benchmarks.capacity

.PHONY: contenders
contenders: setup $(CONNECT_JARS) ## Fetch what benchmarks compare with and nothing else needs: Kafka Connect, a JDBC sink

.PHONY: schema-page
schema-page: setup ## Make docs/schema.md anew from the migrations
	@exec $(BIN)/python -m infra.postgres.schema_page

.PHONY: migrate
migrate: setup ## Bring the database at EVENTOS_DATABASE_URL, or the local one, to the newest migration
	@exec $(BIN)/eventos migrate

.PHONY: kafka-console-producer
kafka-console-producer: setup ## Kafka's own producer, a record per line of standard input: TOPIC=sponsor-activity
	@exec infra/local/kafka-tool console-producer --topic eventos.$(or $(TOPIC),$(error Say TOPIC=sponsor-activity)) \
	  --reader-property parse.key=true --reader-property key.separator='|'

.PHONY: kafka-console-consumer
kafka-console-consumer: setup ## Kafka's own consumer, from the beginning: TOPIC=lead-scores
	@exec infra/local/kafka-tool console-consumer --topic eventos.$(or $(TOPIC),$(error Say TOPIC=lead-scores)) \
	  --from-beginning --formatter-property print.key=true

.PHONY: lock
lock: $(PACKAGES) ## Compile the locks from pyproject.toml: all that is used here, and what a service needs
	@$(PIP) $(UV)
	@$(LOCK) --all-extras --output-file requirements.lock
	@$(LOCK) --constraints requirements.lock --output-file requirements.services.lock

.PHONY: audit-dependencies
audit-dependencies: setup ## Look up known vulnerabilities of what the locks pin; needs PyPI itself, and says when it is not there
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
	  $(AUDIT)/bin/pip install --quiet --disable-pip-version-check $(PIP_AUDIT); }
	@exec $(BIN)/python -m infra.audit_dependencies $(AUDIT)/bin/pip-audit requirements.lock

.PHONY: clean
clean: ## Remove the local stack's data and the tools' caches
	@rm -rf .eventos/stack .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage build

.PHONY: clean-all
clean-all: clean ## Remove .venv and the jars too
	@rm -rf .eventos .venv *.egg-info

$(ENVIRONMENT): $(PACKAGES) pyproject.toml
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(PACKAGES): requirements.lock
	@infra/local/require python $(PYTHON)
	@echo "Installing the Python packages into .venv …"
	@$(PYTHON) -m venv .venv
	@$(PIP) --no-compile --no-deps --require-hashes -r requirements.lock
	@touch $@

$(JARS): infra/kafka/pom.xml
	@infra/local/require java
	@infra/local/require maven
	@echo "Fetching Kafka's jars into .eventos/jars …"
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --strict-checksums --file infra/kafka/pom.xml dependency:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(@D) > .eventos/jars.log 2>&1 || { cat .eventos/jars.log; exit 1; }
	@touch $@

$(CONNECT_JARS): tests/benchmarks/contenders/connect-pom.xml
	@infra/local/require java
	@infra/local/require maven
	@echo "Fetching the jars of Kafka Connect and a JDBC sink into .eventos/connect-jars …"
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --strict-checksums --file $< dependency:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(@D) > .eventos/connect-jars.log 2>&1 \
	  || { cat .eventos/connect-jars.log; exit 1; }
	@touch $@
