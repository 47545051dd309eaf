# Every command that people and CI use. On a fresh machine it needs git, make and Python >= 3.11 with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The tests start hundreds of processes, and each would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help serve test check lint types contracts coverage wheel bench chaos kill-points rows-beside-a-writer mutants soak lock \
	clean

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*  ## /make \1\t/p' Makefile | expand -t 16

serve: $(VENV)/.runtime  ## Start everything; make serve ARGS="--port 0" passes options
	@$(BIN)/aura-actors serve $(ARGS)

test: $(VENV)/.dev  ## Run the tests; make test ARGS="-k journal" passes options
	@$(BIN)/python -m pytest -n 4 $(ARGS)

check: lint types wheel coverage  ## Everything that must hold before a change lands

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

contracts: $(VENV)/.dev
	@$(BIN)/lint-imports

coverage: $(VENV)/.dev  ## The tests, with what they did not reach; ends with every skip and its reason
	@$(BIN)/python -m pytest -n 4 --cov --cov-report=term:skip-covered $(ARGS)

wheel: $(VENV)/.dev  ## Build the wheel and use it from somewhere else
	@$(BIN)/python tests/wheel/check_wheel.py

bench: $(VENV)/.dev  ## Run the benchmarks; make bench ARGS="restart --quick" chooses
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(VENV)/.dev  ## Thousands of generated supervision trees against the model; SEED=n plays those of a run again
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); echo "to play the same again: make chaos SEED=$$seed"; \
	env -u CI AURA_CHAOS_EXAMPLES=4000 $(BIN)/python -m pytest tests/kernel/test_supervision_model.py \
		--hypothesis-seed=$$seed --timeout 1800 $(ARGS) || { echo "to play the same again: make chaos SEED=$$seed"; exit 1; }

kill-points: $(VENV)/.dev  ## Kill a child at every modifying call of every cleanup protocol, and refuse every one; needs cc and strace
	@env CI=true AURA_KILL_POINTS=all $(BIN)/python -m pytest tests/kill_points -n 4 -rA --no-header --timeout 3000 $(ARGS) \
		| grep -E "kill points|passed|failed|FAILED|ERROR|Error"

rows-beside-a-writer: $(VENV)/.dev  ## Archive 250,000 rows while a program writes; it must never wait for more than 250 ms
	@env AURA_ROWS=250000 $(BIN)/python -m pytest tests/cleaners/test_rows_beside_a_writer.py -rA --no-header $(ARGS) \
		| grep -E "rows archived|passed|failed|Error"

mutants: $(VENV)/.dev  ## What the tests of the rules notice when those are changed on purpose; some 15 minutes
	@$(BIN)/python -m tests.mutation $(ARGS)

soak: $(VENV)/.dev  ## The page open for ten minutes while jobs come and go: it does not grow; SECONDS=n takes that long
	@AURA_PAGE_SECONDS=$(or $(SECONDS),600) $(BIN)/python -m pytest -q -s tests/external/page/test_speed.py $(ARGS)

lock:  ## Renew both locks from pyproject.toml; needs uv
	printf 'hatchling>=1.27\n' | uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 \
		--no-header --no-annotate pyproject.toml - -o requirements.lock
	printf 'hatchling>=1.27\n' | uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 \
		--no-header --no-annotate pyproject.toml - --group dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("aura_actors needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

# The project itself is installed as a link to this folder: a change needs no new installation.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the runtime into $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing the development tools into $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
