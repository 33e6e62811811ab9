# Everything a fresh Debian needs is python3.11 with pip, and make. The first target that runs sets the rest up.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
C_SOURCES := $(shell find firmware guest -name '*.[chS]' -o -name '*.ld') hv/board.py hv/images/build.py
# A process that finds its modules compiled starts a tenth of a second sooner.
unexport PYTHONDONTWRITEBYTECODE
export NUMBA_CACHE_DIR := $(CURDIR)/$(VENV)/numba

# How long `make fuzz` looks for something new.
FUZZ_SECONDS := 3600

.PHONY: setup demo test test-jit test-nojit test-boundscheck campaign fuzz lint bench clean

setup: $(READY) hv/images/guest.elf

$(READY): pyproject.toml hatch_build.py
	python3 -m venv --without-pip $(VENV)
	python3 -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

hv/images/guest.elf: $(C_SOURCES) | $(READY)
	$(BIN)/python -m hv.images.build

demo: setup
	$(BIN)/thawvisor demo

test: test-jit test-nojit test-boundscheck

test-jit: setup
	$(BIN)/python -m pytest -n 2

test-nojit: setup
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run --data-file=$(VENV)/.coverage --include='devices/virtio/kernels.py' -m pytest tests/kernels tests/contract tests/unit/devices tests/unit/virtio tests/fuzz
	$(BIN)/coverage report --data-file=$(VENV)/.coverage --fail-under=100 --show-missing

test-boundscheck: setup
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(NUMBA_CACHE_DIR)-boundscheck $(BIN)/python -m pytest -n 2 tests/kernels tests/unit/virtio

campaign: setup
	$(BIN)/python -m pytest -n 2 -m campaign

fuzz: setup
	python3 -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -e '.[fuzz]'
	mkdir -p $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz -max_total_time=$(FUZZ_SECONDS) $(VENV)/fuzz tests/fuzz/corpus

soak: setup
	$(BIN)/python -m tests.system.soak --minutes 30

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .zig-cache hv/images/*.elf
