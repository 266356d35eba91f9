# Everything a stranger needs: `make demo` and `make test`. Each sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --require-hashes --no-build-isolation
CLIENTS := .venv-triton/.ready .venv-kserve/.ready

.PHONY: demo test test-torch fuzz lint bench lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo                ## rehearse the flights: a real year through the whole loop
	$(BIN)/plimsoll rehearse examples/flights

test: $(VENV)/.dev $(CLIENTS) lint ## linters, types, architecture, and every test
	$(BIN)/python -m pytest -n auto

# PyTorch is gigabytes where a CUDA build is chosen, so it is in no lock: an environment of its own, for its tests only.
TORCH ?= torch==2.13.0
test-torch: $(VENV)-torch/.done    ## the tests of the PyTorch engine
	$(VENV)-torch/bin/python -m pytest tests/models

$(VENV)-torch/.done: requirements/build.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -m venv $(VENV)-torch
	@$(VENV)-torch/bin/python -m pip --disable-pip-version-check install --require-hashes --no-build-isolation -q -r requirements/build.txt
	@$(VENV)-torch/bin/python -m pip --disable-pip-version-check install --require-hashes --no-build-isolation -q -r requirements/dev.txt
	@$(VENV)-torch/bin/python -m pip --disable-pip-version-check install -q $(TORCH)
	@$(VENV)-torch/bin/python -m pip --disable-pip-version-check install -q --no-deps --no-build-isolation -e .
	@touch $@

# Led by coverage, for so many seconds a target; what breaks a promise is left as crash-TARGET-….
FUZZ_S ?= 60
FUZZED ?= infer binary grpc fields headers packed http
fuzz: .venv-fuzz/.ready            ## stranger's bytes, tried by atheris: a few minutes
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT; for target in $(FUZZED); do \
	  echo "==> $$target, for $(FUZZ_S) s"; \
	  TMPDIR=$$scratch PYTHONPATH=src:tests .venv-fuzz/bin/python -m fuzz.run $$target -max_total_time=$(FUZZ_S) \
	    -artifact_prefix=crash-$$target- -verbosity=0 -print_final_stats=1 || exit 1; \
	done

lint: $(VENV)/.dev                 ## code only: what the documents quote is laid out by hand
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev                ## every benchmark, ours beside its peers
	$(BIN)/python -m benchmarks all

$(VENV)/.build: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit("Plimsoll needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "==> creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -q -r requirements/build.txt
	@touch $@

$(VENV)/.demo: $(VENV)/.build requirements/demo.txt pyproject.toml
	@echo "==> installing the pinned, hashed dependencies of the demo (about 65 packages, a minute or two)"
	@$(PIP) --progress-bar on -r requirements/demo.txt
	@echo "==> installing Plimsoll itself"
	@$(BIN)/python -m pip --disable-pip-version-check -q install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	@echo "==> installing the pinned, hashed dependencies of the tests"
	@$(PIP) --progress-bar on -r requirements/dev.txt
	@touch $@

# Clients that we did not write, for tests/conformance: they disagree with us, and with each other, about protobuf.
# And atheris, which is for Linux and macOS only.
.venv-%/.ready: requirements/%.txt
	@echo "==> installing the pinned, hashed dependencies of $* into .venv-$* (about a minute)"
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check install --require-hashes --only-binary :all: --progress-bar on -r $<
	@touch $@

# Needs uv. Never by hand: the locks are compiled from pyproject.toml, for every platform, with hashes.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q
lock:
	$(LOCK) pyproject.toml --extra all --group dev --group flights -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra all --group flights -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) pyproject.toml --extra serve -c requirements/dev.txt -o requirements/serve.txt
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) --group triton -o requirements/triton.txt
	$(LOCK) --group kserve -o requirements/kserve.txt
	$(LOCK) pyproject.toml --extra serve --group fuzz -c requirements/dev.txt -o requirements/fuzz.txt

clean:
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache
