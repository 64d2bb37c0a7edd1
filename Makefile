# `make help` names everything. A machine needs only make and a Python of 3.10 to 3.13: the packages, a Java
# for Spark and a Node for the tests are fetched where they are missing. GNU Make 3.81, which is in macOS, will do.

PYTHON ?= python3
SCALE ?= 0.01
SEED ?= 0
OUTPUT ?= data/devices

BIN := .venv/bin
INSTALLED := .venv/.installed
AZURITE := .cache/azurite/.installed
JAR := .cache/jars/.fetched
OLD_SKLEARN := .cache/sklearn-1.6/.installed
FROM_LIB := PYTHONPATH="$(CURDIR)/lib"

# NCCL, 470 MB, serves XGBoost only where one fit uses several GPUs.
UNUSED := --no-emit-package nvidia-nccl-cu12 --no-emit-package nvidia-nccl-cu13

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help sweep hyperdrive history chaos test test-hdinsight test-newest test-matrix test-sklearn setup setup-test lint format types dataset bench-features bench-search bench-hyperdrive java bare lock clean

help: ## say what there is (the default)
	@sed -n -E 's/^([a-z-]+):.*## (.*)$$/\1 \2/p' Makefile | while read -r name what; do \
	  printf '  make %-15s %s\n' "$$name" "$$what"; done

sweep: $(INSTALLED) ## run a small distributed sweep from CSVs to ranked results
	@$(BIN)/python jobs/distributed_sweep.py --config conf/sweep.yml

hyperdrive: $(INSTALLED) ## run a small HyperDrive sweep of a training script
	@$(BIN)/python jobs/hyperdrive.py

history: $(INSTALLED) ## open MLflow's page on the newest sweep; Ctrl-C ends it
	@$(FROM_LIB) $(BIN)/python -m sparksweep.history.page $(OPTIONS)

test: setup-test ## run all checks: lint, format, types, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@home="$$($(FROM_LIB) $(BIN)/python -m sparksweep.java)" && \
	  JAVA_HOME="$$home" $(BIN)/python -m pytest
	@$(BIN)/python tests/matrix.py hdinsight --smoke

chaos: $(INSTALLED) ## kill executors and drivers in the middle of sweeps and compare their results; some 15 minutes
	@$(FROM_LIB) $(BIN)/python -m tests.chaos.run

test-hdinsight: $(AZURITE) ## run the core tests on what HDInsight 5.1 has: Python 3.10, Spark 3.3
	@$(BIN)/python tests/matrix.py hdinsight

test-newest: $(AZURITE) ## run the core tests on the newest of everything that pyproject.toml allows
	@$(BIN)/python tests/matrix.py newest

test-matrix: test-hdinsight test-newest ## run both

test-sklearn: $(INSTALLED) $(OLD_SKLEARN) ## run scikit-learn's own tests of a search on ours, newest and oldest version
	@$(FROM_LIB) $(BIN)/python -m tests.sklearn_suite.run
	@$(FROM_LIB) $(dir $(OLD_SKLEARN))bin/python -m tests.sklearn_suite.run

setup: $(INSTALLED) ## make .venv with everything that requirements.lock pins

setup-test: $(AZURITE) $(JAR) ## setup, and what the tests of Azure storage need

lint: $(INSTALLED) ## check the style and the format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(INSTALLED) ## format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(INSTALLED) ## check the types of lib/
	@$(BIN)/mypy

dataset: $(INSTALLED) ## write a dataset: make dataset SCALE=0.01 SEED=0 OUTPUT=data/devices
	@$(BIN)/python jobs/make_dataset.py --scale "$(SCALE)" --seed "$(SEED)" --output "$(OUTPUT)"

bench-features: $(INSTALLED) ## measure the feature sets against DuckDB and pandas; OPTIONS=--help tells more
	@$(FROM_LIB) $(BIN)/python tests/bench/bench_features.py $(OPTIONS)

bench-search: $(INSTALLED) ## measure the search against six others; OPTIONS=--help tells more
	@$(FROM_LIB) $(BIN)/python tests/bench/environments.py
	@$(FROM_LIB) $(BIN)/python tests/bench/bench_search.py $(OPTIONS)

bench-hyperdrive: $(INSTALLED) ## measure samplers and early termination against Optuna's; OPTIONS=--help tells more
	@$(FROM_LIB) $(BIN)/python tests/bench/bench_hyperdrive.py $(OPTIONS)

java: $(INSTALLED) ## say which Java Spark gets here
	@$(FROM_LIB) $(BIN)/python -m sparksweep.java > /dev/null

bare: ## try the set-up and a Spark job where there is no Java, Node, npm or Maven
	@$(PYTHON) tests/bare.py

lock: ## write requirements.lock anew from pyproject.toml; UPGRADE=1 takes the newest of everything
	@echo "Resolving the packages for Python 3.10 to 3.13 (about half a minute)"
	@folder="$$(mktemp -d)" && trap 'rm -rf "$$folder"' EXIT && \
	  $(PYTHON) -m venv "$$folder" && \
	  "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv && \
	  "$$folder/bin/uv" pip compile --quiet --universal --fork-strategy requires-python --python-version 3.10 \
	    --group dev pyproject.toml $(UNUSED) --no-header --no-annotate --generate-hashes \
	    $(if $(UPGRADE),--upgrade) -o requirements.lock

clean: ## remove what setup and the tools made; datasets and outputs stay
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build spark-warehouse

$(INSTALLED): requirements.lock
	@command -v "$(PYTHON)" > /dev/null || { echo \
	  "There is no $(PYTHON) here: install Python 3.10 to 3.13, or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || { echo \
	  "$$($(PYTHON) --version 2>&1) is not one of 3.10 to 3.13: name another, as in make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo \
	  "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu install python3-venv, then try again." >&2; exit 1; }
	@$(BIN)/python -c '' 2> /dev/null || { echo "Making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear .venv; }
	@echo "Installing the packages of requirements.lock (the first time some hundred MB and some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes -r requirements.lock
	@$(FROM_LIB) $(BIN)/python -m sparksweep.java > /dev/null
	@touch $@

$(AZURITE): tests/azurite/package-lock.json tests/azurite/package.json tests/azurite_setup.py $(INSTALLED)
	@$(BIN)/python tests/azurite_setup.py azurite
	@touch $@

$(JAR): spark_dependencies.yml tests/azurite_setup.py $(INSTALLED)
	@$(BIN)/python tests/azurite_setup.py jar
	@touch $@

# Its own Python sees scikit-learn 1.6 first, and for the rest what .venv has.
$(OLD_SKLEARN): $(INSTALLED)
	@echo "Installing scikit-learn 1.6 into $(@D)"
	@$(BIN)/python -m venv --clear --without-pip $(@D)
	@$(BIN)/python -m pip --python $(@D) install --quiet --disable-pip-version-check --no-deps scikit-learn==1.6.1
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	@touch $@
