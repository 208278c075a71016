# Paths are relative throughout, and programs run as `python -m`: the folder's name may hold spaces.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
PIP := $(PY) -m pip install -qq --no-compile --disable-pip-version-check --no-input --no-warn-script-location
UV := $(PY) -m uv
LOCKED := --no-deps --require-hashes -r requirements.lock
PEERS := .venv-peers

# Tests start hundreds of processes: where bytecode is not kept, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-core test-laws test-apart test-simulation test-whole test-versions test-other check format types mypy pyright arch bench bench-clients bench-peers differential peers bench-snapshots calibration fuzz-exchange simulate as-live crash kill load paper-week exhaust mutate guard lab lab-large lab-cents lab-fast ablation kalshi-demo build lock clean docs docs-figures FORCE

help: ## list the targets
	@echo "make demo        sets everything up and runs the main job; DATA=recording and SEED=n are optional"
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r target text; do printf 'make %-11s %s\n' "$$target" "$$text"; done

setup: $(STAMP) ## make the virtual environment, from the hash-locked requirements

demo: $(STAMP)
	@$(PY) -m depthwalker.shell demo $(if $(DATA),--data "$(DATA)") $(if $(SEED),--seed "$(SEED)")

# Runs side by side: tracing doubles the time of what it watches, so only the core's own tests are traced, and of them not the
# laws that play whole worlds: the examples reach every branch without them. Those of the shell wait more than they work, so
# they are in two halves, by the alphabet, and first; all others leave the processor to them, the longest before the shortest.
LAWS := $(wildcard $(foreach of,invariants machines matching_laws small_world,tests/core/test_$(of).py))
APART := $(wildcard $(foreach of,lab sweep paper synthetic demo,tests/shell/test_$(of)*.py))

test: $(STAMP) ## run the tests; those of the core must cover its last branch
	@$(MAKE) --no-print-directory --keep-going --jobs=5 --output-sync=target \
		test-shell-a-p test-shell-q-z test-simulation test-whole test-apart test-core test-laws

test-core: $(STAMP)
	@nice -n 10 $(PY) -m pytest -q --cov --cov-report=term $(LAWS:%=--ignore=%) tests/core

test-laws: $(STAMP)
	@nice -n 10 $(PY) -m pytest -q -p no:cacheprovider $(LAWS)

test-shell-%: $(STAMP)
	@$(PY) -m pytest -q -p no:cacheprovider $(filter-out $(APART),$(wildcard tests/shell/test_[$*]*.py))

test-apart: $(STAMP)
	@nice -n 10 $(PY) -m pytest -q -p no:cacheprovider $(APART)

test-simulation: $(STAMP)
	@nice -n 10 $(PY) -m pytest -q -p no:cacheprovider tests/simulation

test-whole: $(STAMP)
	@nice -n 10 $(PY) -m pytest -q -p no:cacheprovider --ignore=tests/core --ignore=tests/shell --ignore=tests/simulation

test-versions: ## run the core's tests, and one execution end to end, on every newer Python that is here
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target test-on-3.12 test-on-3.13

test-on-%:
	@if python=$$(tools/python_of.sh $*); then \
		$(MAKE) --no-print-directory VENV=.venv-$* PYTHON="$$python" test-other; \
	else echo "Python $* is not here"; fi

test-other: $(STAMP)
	@$(PY) --version
	@HYPOTHESIS_PROFILE=few $(PY) -m pytest -q -p no:cacheprovider tests/core tests/test_examples.py \
		tests/shell/test_demo.py::test_the_demo_runs_from_end_to_end

check: $(STAMP) format types arch ## run the static checks: format, lint, types, import contracts

format: $(STAMP)
	@$(PY) -m ruff format --check --quiet . || { echo "run: $(PY) -m ruff format ." >&2; exit 1; }
	@$(PY) -m ruff check --quiet .

types: mypy pyright

mypy: $(STAMP)
	@$(PY) -m mypy

pyright: $(STAMP)
	@if command -v node >/dev/null; then $(PY) -m pyright; else echo "no node here: pyright is left to a machine that has it"; fi

arch: $(STAMP) ## prove that the core imports nothing impure
	@$(PY) -c 'from importlinter.cli import lint_imports_command as main; main()'

bench: $(STAMP) ## measure the core, the database and tick-to-order
	@$(PY) -m bench

bench-snapshots: $(STAMP) ## load, query and retire a million snapshots, and write docs/database.md
	@$(PY) -m bench --only snapshots --write docs/database.md

bench-clients: ## measure our client beside pykalshi and kalshi-sdk, on Python 3.12, and write docs/clients.md
	@python=$$(tools/python_of.sh 3.12) || { echo "there is no Python 3.12 here, which kalshi-sdk needs" >&2; exit 1; }; \
		$(MAKE) --no-print-directory VENV=.venv-3.12 PYTHON="$$python" setup && \
		.venv-3.12/bin/python -m bench --only client --write docs/clients.md

bench-peers: $(STAMP) peers ## measure our replay beside hftbacktest's and NautilusTrader's, and write docs/peers.md
	@$(PY) -m bench.peers $(PEERS)/bin/python --write docs/peers.md

differential: $(STAMP) peers ## hold our fills against flumine's and NautilusTrader's, and write docs/differential.md; SEED=first and SEEDS=n are optional
	@$(PY) -m bench.peers.differential $(PEERS)/bin/python $(if $(SEED),--first $(SEED)) $(if $(SEEDS),--seeds $(SEEDS))

# What we are compared with has an environment of its own; NautilusTrader's newer versions need Python 3.12.
peers:
	@cmp -s bench/peers/requirements.lock $(PEERS)/.lock || { \
		python=$$(tools/python_of.sh 3.12 || echo "$(PYTHON)"); echo "setting up $(PEERS) (once)"; \
		rm -rf $(PEERS) && "$$python" -m venv $(PEERS) && \
		$(PEERS)/bin/python -m pip install -qq --no-compile --disable-pip-version-check --no-input \
			--no-deps --require-hashes -r bench/peers/requirements.lock && \
		cp bench/peers/requirements.lock $(PEERS)/.lock; }

fuzz-exchange: $(STAMP) ## drive the paper exchange with requests from Kalshi's document; SEED=n and EXAMPLES=n are optional
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); echo "FUZZ_SEED=$$seed"; \
		FUZZ_SEED=$$seed FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) $(PY) -m pytest -q -s tests/shell/test_paper_fuzz.py

simulate: $(STAMP) ## run the engine in simulated worlds with faults; SEEDS=n, SEED=first, PARENTS=n and KEEP=1 (in docs/simulation.md) are optional
	@$(PY) -m tests.simulation --seeds $(or $(SEEDS),1000) $(if $(SEED),--first $(SEED)) $(if $(PARENTS),--parents $(PARENTS)) $(if $(KEEP),--keep)

as-live: $(STAMP) ## execute parents by the engine in virtual time beside the laboratory; DATA=recordings and KEEP=1 (in docs/as-live.md) are optional
	@$(PY) -m tests.simulation.as_live $(DATA) $(if $(KEEP),--keep)

crash: $(STAMP) ## kill a simulated execution at every step, start it again, and compare with the exchange; KEEP=1 (in docs/simulation.md) is optional
	@$(PY) -m tests.simulation --crash $(if $(KEEP),--keep)

kill: $(STAMP) ## kill real workers, the database and the connections at random; KILLS=n, SEED=n and KEEP=1 (in docs/killing.md) are optional
	@$(PY) -m tests.killing $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep)

paper-week: $(STAMP) ## live a week of paper trading in minutes, with a pause, two kills and a harmful day; SEED=n and KEEP=1 (in docs/paper-week.md) are optional
	@$(PY) -m tests.paper_week $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep)

load: $(STAMP) ## have 200 parents executed at once by 4 workers, at two tiers; TIERS="prime basic", SEED=n and KEEP=1 (in docs/load.md) are optional
	@$(PY) -m tests.load $(if $(TIERS),--tiers $(TIERS)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep)

exhaust: $(STAMP) ## try all interleavings of the exchange's answers in small worlds; WORLDS="1+1,2,0 ..." (contracts, walks, faults) and KEEP=1 (in docs/safety.md) are optional
	@$(PY) -m tests.core.small_world $(if $(KEEP),--keep) $(WORLDS)

mutate: $(STAMP) ## break the core in every place and write docs/mutants.md; MODULES="ledger walk" is optional
	@nice -n 15 $(PY) -m tools.mutate $(MODULES)

guard: $(STAMP) ## measure how often the guard is wrong and write docs/guard.md; DATA=folder of recordings is optional
	@$(PY) -m tools.guard_rate $(if $(DATA),--data "$(DATA)")

ablation: $(STAMP) ## take the walker's parts away one at a time and write docs/ablation.md; TUNE and JUDGE=recordings are optional
	@$(PY) -m tools.ablation $(if $(TUNE),--tune $(TUNE)) $(if $(JUDGE),--judge $(JUDGE))

calibration: $(STAMP) ## hold the synthetic markets beside the recorded ones and write docs/calibration.md; DATA=folder of recordings is optional
	@$(PY) -m tools.calibration $(if $(DATA),--data "$(DATA)")

lab: $(STAMP) ## judge every algorithm and write docs/lab.md; DATA=recordings or folders of them are optional
	@$(PY) -m tools.lab $(if $(DATA),"$(DATA)")

lab-large: $(STAMP) ## the same for parents of 500 and 2,000 contracts, in docs/lab-large.md
	@$(PY) -m tools.lab $(if $(DATA),"$(DATA)") --count 500 2000 --every 60 --title ": large parents" --no-figures --out docs/lab-large.md

lab-cents: $(STAMP) ## the same under a cap of three cents alone, in docs/lab-cents.md
	@$(PY) -m tools.lab $(if $(DATA),"$(DATA)") --cap 0.03 --every 60 --title ": three cents above the target" --no-figures --out docs/lab-cents.md

lab-fast: $(STAMP) ## the same for recordings of a quarter of an hour that move fast, in docs/lab-fast.md
	@$(PY) -m tools.lab $(if $(DATA),"$(DATA)") --every 5 --title ": fast markets" --no-figures --out docs/lab-fast.md

kalshi-demo: $(STAMP) ## check your key against Kalshi's demo exchange; TRADE=1 places one order and cancels it
	@$(PY) -m depthwalker.shell.smoke $(if $(TRADE),--trade) $(if $(MARKET),--market "$(MARKET)")

docs: $(STAMP) ## build the documentation's site in build/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict --config-file tools/site/mkdocs.yml

docs-figures: $(STAMP) ## write the reference and the table of caps anew, from the code
	@$(PY) -m tools.reference
	@$(PY) tools/caps.py > docs/caps.md

build: $(STAMP) ## build the wheel and the source archive
	@$(PY) -m build --no-isolation

lock: $(STAMP) ## renew requirements.lock, uv's own and the peers'
	@$(UV) pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --upgrade -o requirements.lock
	@echo uv | $(UV) pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --upgrade -o tools/uv.lock
	@$(UV) pip compile bench/peers/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --upgrade -o bench/peers/requirements.lock

clean: ## remove what setup, tests and builds made
	@rm -rf .venv .venv-* build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs the same lock in a fraction of pip's time, from the index that pip is told of. Where it cannot be had, pip does it.
UV_INSTALL = $(PIP) --no-deps --require-hashes -r tools/uv.lock && \
	UV_DEFAULT_INDEX="$${PIP_INDEX_URL:-$$($(PY) -m pip config get global.index-url)}" \
	$(UV) pip install --quiet --no-config --system-certs --python $(PY) $(LOCKED)

# The editable install records the folder's path: a copied or renamed folder is set up anew.
ifneq "$(shell cat $(STAMP) 2>/dev/null)" "$(CURDIR)"
$(STAMP): FORCE
endif

$(STAMP): requirements.lock tools/uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) ($$($(PYTHON) --version 2>/dev/null || echo 'not found')) does not do: Depthwalker needs" \
			"Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: install its venv module" \
			"(Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@{ $(UV_INSTALL); } 2>/dev/null || $(PIP) $(LOCKED)
	@$(PIP) --no-build-isolation --no-deps -e .
	@pwd -P >$@
