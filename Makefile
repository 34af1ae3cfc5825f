# make report   set up and run the default workflow: results/report/index.html
# make test     set up, check the code and run the tests
# make lint     format, lint and type checks alone
#
# PYTHON=python3.12, CORES=4 and PIP_ARGS="--extra-index-url …" can be set on the command line.

PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))")
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# snakefmt calls shfmt, which is there too.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup report test lint lock clean

setup: $(STAMP)

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; this is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) --requirement requirements.lock
	touch $@

report: setup
	$(BIN)/snakemake --cores $(CORES) report

test: lint
	$(BIN)/pytest -n $(CORES) --dist loadgroup

lint: setup
	$(BIN)/ruff check workflow tests profiles benchmarks
	$(BIN)/ruff format --check workflow tests profiles benchmarks
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/hadolint Dockerfile

# Resolve pyproject.toml's ranges anew and write down the versions.
lock:
	rm -rf $(VENV)/lock && $(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet --upgrade pip
	$(VENV)/lock/bin/pip install --quiet $(PIP_ARGS) --group dev --group cluster .
	{ echo "# Exact versions of everything the workflow and its checks use; made by \`make lock\`, installed by \`make setup\`."; \
	  $(VENV)/lock/bin/pip freeze --exclude crnn-dynamic | sed 's/+cpu//'; } > requirements.lock
	rm -rf $(VENV)/lock

clean:
	rm -rf results logs .snakemake
