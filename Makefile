# `make` alone prints this help. Works with uv, with `python3 -m venv`, and where `ensurepip` is missing.

PYTHON ?= python3
VENV := .venv
# Processes among which tests are shared out: more than processors, for many tests wait for a server.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
BIN := $(VENV)/bin
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
# pip trusts the machine's certificates, and so must uv: behind a proxy its own do not suffice.
export UV_NATIVE_TLS ?= $(if $(wildcard /etc/ssl/certs/*),1,0)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# sync,GROUPS,STAMP: bring the environment to uv.lock. Without uv on the machine, uv is put into the
# environment by pip; without ensurepip, the machine's own pip does it from outside.
define sync
	@uv=$$(command -v uv) || { \
	  [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	    || $(PYTHON) -m venv --clear --without-pip $(VENV); \
	  if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	  else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
	  [ -x $(BIN)/uv ] || $$pip install --quiet --disable-pip-version-check uv; \
	  uv=$(BIN)/uv; UV_PYTHON=$(BIN)/python; export UV_PYTHON; }; \
	$$uv sync --frozen --inexact --quiet $(1) && touch $(2)
endef

$(VENV)/.demo: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo,$@)

$(VENV)/.dev: pyproject.toml uv.lock
	$(call sync,--group dev,$@)
	@touch $(VENV)/.demo $(VENV)/.serving $(VENV)/.retrain $(VENV)/.web $(VENV)/.hubs

$(VENV)/.peers: pyproject.toml uv.lock
	$(call sync,--group dev --group peers,$@)

$(VENV)/.docs: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group docs,$@)

.PHONY: install
install: $(VENV)/.dev ## Make .venv with everything that developing needs

.PHONY: demo
demo: $(VENV)/.demo ## Train two models, register, promote, compare, roll back
	@$(BIN)/python examples/lifecycle.py

$(VENV)/.serving: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo --extra serve,$@)

$(VENV)/.mlflow: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo --extra mlflow --extra web,$@)

.PHONY: demo-mlflow
demo-mlflow: $(VENV)/.mlflow ## Let MLflow's client log, register, promote, be refused, and follow a rollback
	@$(BIN)/python examples/mlflow_client.py

.PHONY: demo-canary
demo-canary: $(VENV)/.serving ## Serve, roll a good version out and a broken one back, audit a prediction
	@$(BIN)/python examples/canary.py

$(VENV)/.retrain: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo --extra serve --extra log --extra schedule,$@)

.PHONY: demo-retrain
demo-retrain: $(VENV)/.retrain ## Retrain by slots, block a bad version, find drift, and answer it once
	@$(BIN)/python examples/retraining.py

.PHONY: demo-lineage
demo-lineage: $(VENV)/.retrain ## Lead a prediction back to rows and commit, and make its model once more
	@$(BIN)/python examples/lineage.py

$(VENV)/.web: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo --extra web --extra log,$@)

.PHONY: demo-web
demo-web: $(VENV)/.web ## Fill a store with a year of five models, and show it in a browser
	@$(BIN)/python examples/web.py

$(VENV)/.hubs: pyproject.toml uv.lock
	$(call sync,--no-default-groups --group demo --extra web --extra gto,$@)

# The clients of the demo of hubs, apart: what they need is theirs. One that cannot be installed is
# left out, and the demo says so.
$(VENV)/clients/.installed: | $(VENV)/.hubs
	@[ -x $(VENV)/clients/bin/python ] || $(PYTHON) -m venv --without-pip $(VENV)/clients
	@for packages in "huggingface_hub hf_xet safetensors" "torch==2.13.0 transformers" "dvc gto"; do \
	  $(PYTHON) -m pip --python $(VENV)/clients/bin/python install --quiet \
	    --disable-pip-version-check $$packages || echo "not installed: $$packages"; \
	done; touch $@

.PHONY: demo-hubs
demo-hubs: $(VENV)/.hubs $(VENV)/clients/.installed ## Let huggingface_hub, skopeo, DVC, transformers and GTO share one model
	@$(BIN)/python examples/hubs.py

# Servers that tests drive; where one cannot be installed its tests say so and are skipped.
$(VENV)/.servers: tests/servers/install.py $(VENV)/.dev
	@$(BIN)/python $< azurite && touch $@

$(VENV)/.all-servers: tests/servers/install.py $(VENV)/.dev
	@$(BIN)/python $< azurite gcs-emulator localstack s3rver && touch $@ $(VENV)/.servers

.PHONY: servers
servers: $(VENV)/.servers ## Install the object servers of the quick tests

.PHONY: all-servers
all-servers: $(VENV)/.all-servers ## Install the object servers of all tests

.PHONY: test
test: $(VENV)/.servers ## Run all tests but the slow and the long ones, in short form
	@$(BIN)/python -m pytest -q -n $(WORKERS) --quick

.PHONY: test-all
test-all: $(VENV)/.all-servers ## Run all tests, the long ones too
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m "" --whole

$(VENV)/.fuzz: pyproject.toml uv.lock
	$(call sync,--group dev --group fuzz,$@)

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## Fuzz all that reads bytes of others, guided by coverage (SECONDS=60 each)
	@mkdir -p build
	@for target in entry manifest path file pickle bundle description; do \
	  PYTHONPATH=. $(BIN)/python -W ignore tests/attacks/fuzz/guided.py $$target $(or $(SECONDS),60) \
	    build/corpus/$$target 2>build/fuzz-$$target.log || { tail -40 build/fuzz-$$target.log; exit 1; }; \
	  echo "$$target: $$(sed -n 's/stat::number_of_executed_units: *//p' build/fuzz-$$target.log) runs, nothing found"; \
	done

$(VENV)/.linters: pyproject.toml uv.lock $(VENV)/.dev
	$(call sync,--group deploy-lint,$@)

.PHONY: linters
linters: $(VENV)/.linters ## Install the linters of deploy/, .github/ and ci/, which tests call

# What drives the machine's own Chromium; without that browser the tests say so and are skipped.
$(VENV)/.e2e: pyproject.toml uv.lock $(VENV)/.dev
	$(call sync,--group e2e,$@)

.PHONY: e2e
e2e: $(VENV)/.e2e ## Use the pages in a real browser: by mouse, by keyboard, without a script, with axe
	@$(BIN)/python -m pytest -q -n 0 -rs tests/e2e

# What speaks to MLflow is measured where that is installed (`make $(VENV)/.mlflow`).
.PHONY: coverage
coverage: $(VENV)/.servers ## Run the tests of `make test` and the slow ones, and hold coverage to its bounds
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -n $(WORKERS)
	@$(BIN)/coverage combine -q
	@rm -f .coverage.*  # of processes that tests killed while they wrote it
	@$(BIN)/coverage report --include='src/holdfast/core/*' --fail-under=100
	@omit=$$($(BIN)/python -c 'from importlib.util import find_spec as f; \
	  print("" if f("mlflow") else "*/gateways/mlflow/*,*/mlflow_rest/*,*/formats/mlflow*")'); \
	$(BIN)/coverage report --include='src/holdfast/*' --omit="$$omit" --fail-under=95

.PHONY: check
check: $(VENV)/.dev ## Lint, format, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.dev ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: pictures
pictures: $(VENV)/.dev ## Photograph the pages of the demo for the documentation
	@$(BIN)/python docs/pictures/make.py

.PHONY: reference
reference: $(VENV)/.dev ## Write docs/reference/commands.md from the commands
	@$(BIN)/python docs/reference/generate.py

.PHONY: bench
bench: $(VENV)/.peers ## Measure against the limits of this machine and against the peers
	@mkdir -p build
	@$(BIN)/python -m pytest -q -o python_files='bench_*.py' -W default --dist=no benchmarks \
	  --benchmark-only --benchmark-columns=median,iqr --benchmark-json=build/benchmarks.json
	@$(BIN)/python benchmarks/report.py build/benchmarks.json

.PHONY: bench-serving
bench-serving: $(VENV)/.peers ## Measure `holdfast serve` beside its peers (needs wrk)
	@[ -x build/mlserver/bin/mlserver ] || $(PYTHON) -m venv build/mlserver
	@[ -x build/mlserver/bin/mlserver ] || build/mlserver/bin/python -m pip install --quiet \
	  --disable-pip-version-check mlserver mlserver-sklearn || true
	@$(BIN)/python -m benchmarks.serving.run && $(BIN)/python -m benchmarks.serving.swap

.PHONY: docs
docs: $(VENV)/.docs ## Build the documentation site into site/; a warning is an error
	@$(BIN)/python docs/build.py

.PHONY: build
build: $(VENV)/.dev ## Build the wheel and the source archive into dist/
	@$$(command -v uv || echo $(BIN)/uv) build --quiet

.PHONY: clean
clean: ## Remove what the other targets made
	@rm -rf $(VENV) build dist site demo-store demo-hubs .coverage .coverage.* .benchmarks .hypothesis
	@rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
