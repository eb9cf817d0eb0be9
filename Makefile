# `make` explains; `make demo` and `make test` need nothing but a fresh Debian 12, make and git.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Those that need no lab come first.
BENCHMARKS := planning outages lab_times jupytercloud

# What `make demo` runs, in the project's environment.
DEMO := .venv/bin/python -m chaosjc.cli.demo

# The system's own, rather than one that only this user can reach: machines and services of the lab run under other users.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
FIT := import sys; print(sys.executable if sys.version_info >= (3, 11) else '>=3.11')
HOST := PYTHONPATH=$(CURDIR) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m chaosjc.cli.host
UV := .tools/bin/uv
# A site's own authority is known to the system, not to uv.
export UV_SYSTEM_CERTS := 1
COMPILE := $(UV) pip compile --quiet --generate-hashes --python-version 3.11 \
	--no-header --no-emit-index-url --no-annotate $(if $(UPGRADE),--upgrade)

# sudo may ask for a password only where a person can answer. The first try is silent: it fails where the list of packages
# is old or empty, and only then is that refreshed.
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo $(shell test -t 0 || echo --non-interactive))
INSTALL := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends
# As `systemctl mask`, without systemd too; what an administrator has set stays.
UNITS := /etc/systemd/system
mask = { test -e $(UNITS)/$(1) || { $(SUDO) mkdir -p $(UNITS) && $(SUDO) ln -s /dev/null $(UNITS)/$(1); } || true; }
apt-get = { $(INSTALL) $(1) >/dev/null 2>&1 || { $(SUDO) apt-get update --quiet=2 && $(INSTALL) $(1) >/dev/null; }; }

# An environment carries the digest of all that decides it. A changed lock, another Python or a moved tree makes another
# name and so another environment; nothing changed costs one look at a file.
digest = $(shell (echo $(CURDIR) $(realpath $(PYTHON)); cat $(1)) | sha256sum | cut -c1-16)
TOOLS := .tools/made-$(call digest,locks/tools.txt)
VENV := .venv/made-$(call digest,locks/chaosjc.txt pyproject.toml)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: packages $(VENV) ## Install what is missing: Debian packages for the lab (by sudo), then .tools and .venv; asks nothing
	@$(HOST) check || true

.PHONY: packages
packages:
	@command -v $(PYTHON) >/dev/null || { echo "Installing python3-venv: all of chaosjc is Python"; $(call apt-get,python3-venv); }
	@missing=$$($(HOST) packages); test -n "$$missing" || exit 0; \
	if ! command -v apt-get >/dev/null; then echo "This is not Debian: install the like of these by hand"; exit 0; fi; \
	echo "Installing these Debian packages$(if $(SUDO), by sudo)"; \
	for unit in $$($(HOST) units); do $(call mask,$$unit); done; \
	command -v $(firstword $(SUDO) sh) >/dev/null && $(call apt-get,$$missing) || echo "They could not be installed. As root: apt-get install $$missing"

$(TOOLS):
	@echo "Making .tools"
	@rm -rf .tools; $(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r locks/tools.txt
	@touch $@

$(VENV): | $(TOOLS)
	@echo "Making .venv"
	@rm -f .venv/made-*; $(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c "$(FIT)")" .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes --compile-bytecode locks/chaosjc.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: setup ## The whole story on this machine: a cloud in a box, a site on it, faults, verdicts
	@$(DEMO)

.PHONY: test
test: setup ## Every suite: lint, unit, contract, and end to end on a lab of its own; prints the minutes of each
	@.venv/bin/python tests/suites.py lint unit contract lab

.PHONY: unit
unit: $(VENV) ## The inner loop: unit tests alone, in seconds, without root
	@.venv/bin/pytest -q tests/unit

.PHONY: contract
contract: $(VENV) ## The same tests against our fakes and the real thing, as far as that needs no lab
	@.venv/bin/pytest -q -n 3 --dist loadgroup -m 'not lab' tests/contract

.PHONY: lab
lab: $(VENV) ## End to end on a lab of its own; needs root; the first time it builds Kubernetes' programs meanwhile
	@.venv/bin/chaosjc lab image build
	@.venv/bin/pytest -v -p no:randomly --durations=25 -m 'lab and not long' tests/lab

.PHONY: lint
lint: $(VENV) ## Style, types and layers: ruff, pyright, import-linter
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/pyright

.PHONY: bench
bench: $(VENV) ## What is promised about time, memory and precision, as ratios; fails beyond 1; two are of a lab and need root
	@code=0; for name in $(BENCHMARKS); do echo "benchmarks.$$name"; .venv/bin/python -m benchmarks.$$name || code=1; done; exit $$code

.PHONY: format
format: $(VENV) ## Let ruff mend what it can
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

.PHONY: schemas
schemas: $(VENV) ## Write schemas/*.json, with which editors complete files, from the models
	@.venv/bin/python -m tests.unit.test_schemas

.PHONY: dashboards
dashboards: $(VENV) ## Write dashboards/*.json for Grafana, from the register of metrics
	@.venv/bin/python -m dashboards

.PHONY: soak
soak: $(VENV) ## What takes hours: CRASHES=200 killed runs of commands, SOAK=20 on a lab, and its `long` tests; needs root
	@CRASHES=$(or $(CRASHES),200) .venv/bin/pytest -q -s -p no:randomly tests/contract/test_crash_everywhere.py
	@SOAK=$(or $(SOAK),20) .venv/bin/pytest -v -s -p no:randomly -m lab tests/lab/storage/test_soak.py
	@.venv/bin/pytest -v -s -p no:randomly -m long tests/lab

.PHONY: lock
lock: $(TOOLS) ## Resolve the dependencies again and write locks/*.txt; UPGRADE=1 takes the newest of all
	@$(COMPILE) --universal locks/tools.in -o locks/tools.txt
	@$(COMPILE) --universal pyproject.toml --group dev -o locks/chaosjc.txt
	@for name in openstack nodejs; do $(COMPILE) locks/$$name.in -o locks/$$name.txt; done    # Debian 12 alone
	@for name in hub singleuser; do $(COMPILE) --override locks/left-out.in locks/$$name.in -o locks/$$name.txt; done

.PHONY: clean
clean: ## Remove what was made in this tree: .venv, .tools, out, caches of tools
	@rm -rf .venv .tools out .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Images and OpenStack's installation stay in $${XDG_CACHE_HOME:-$$HOME/.cache}/chaosjc: safe to delete, made again when needed."
	@echo "A lab keeps its state elsewhere: chaosjc lab reset removes it."
