# Everything runs in .venv; `make setup` is repeated only when pyproject.toml has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
ARGS ?=

.PHONY: test-browser test-train setup live test check bench train test-gpu cuda-compile test-vcam test-obs test-audio soak

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: run make setup PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print("\n".join(p["dependencies"] + p["optional-dependencies"]["test"]))' > $(STAMP).part
	$(BIN)/python -m pip install --disable-pip-version-check -q -r $(STAMP).part
	# Fetch the models and compile the kernels now, not at the first call; a machine that cannot yet is told at run time.
	-$(BIN)/python run_live.py --driver imagine --output null --seconds 1 > $(STAMP).log 2>&1
	mv $(STAMP).part $(STAMP)

live: setup
	$(BIN)/python run_live.py $(ARGS)

test: setup
	$(BIN)/python -m pytest tests $(ARGS)

# The control page in real Chromium; installs it where apt-get may.
test-browser: setup
	command -v chromedriver >/dev/null || apt-get install -y -q --no-install-recommends chromium chromium-driver || \
	  echo "install chromium and chromium-driver, then run make test-browser again"
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: setup
	mkdir -p out
	$(BIN)/python -m benchmarks.latency --report out/latency.json $(ARGS)

# Folders of your own recordings and portraits; a run that was stopped goes on where its last checkpoint stands.
CLIPS ?= clips
STILLS ?= stills
RUN ?= out/train
MINUTES ?= 60
train: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q "torch==2.13.0" "onnx>=1.16" "tflite>=2.10"
	$(BIN)/python -m models.training.measure --clips $(CLIPS) --stills $(STILLS) --out $(RUN)/landmarks
	$(BIN)/python -m models.training.train_samples --clips $(CLIPS) --stills $(STILLS) --cache $(RUN)/landmarks --out $(RUN)/shards
	$(BIN)/python -m models.training.train_live mouth --shards $(RUN)/shards --out $(RUN)/mouth --minutes $(MINUTES)
	$(BIN)/python -m models.training.train_live eye --shards $(RUN)/shards --out $(RUN)/eye --minutes $(MINUTES)

# Loads the CUDA kernels on the device, then runs the tests of the same sources in emulation. Not run on a GPU by us.
test-gpu: setup
	$(BIN)/python -c "from kernels.gpu import Mapper; Mapper(); print('CUDA kernels loaded')"
	$(BIN)/python -m pytest tests/kernels/test_gpu.py

# Needs nvcc.
cuda-compile:
	for a in 75 80 86 89 90 100; do nvcc -cubin -arch=sm_$$a -std=c++14 -fmad=false kernels/map_texture.cu -o $${TMPDIR:-/tmp}/map_$$a.cubin || exit 1; done

# The training scripts: learn, resume after a kill, export. torch is not part of setup: its wheel is large.
test-train: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q "torch==2.13.0" "onnx>=1.16" "tflite>=2.10"
	$(BIN)/python -m pytest -rs tests/training $(ARGS)

# A real v4l2loopback in an emulated Debian: installs Debian's packages when it may, else says which are missing.
test-vcam: setup
	$(BIN)/python tests/vm/machine.py $(ARGS)

# A real OBS Studio under Xvfb takes the engine's stream.
test-obs: setup
	$(BIN)/python tests/obs/run.py $(ARGS)

# A real sound server without hardware (Debian: apt install pulseaudio pulseaudio-utils libasound2-plugins libportaudio2).
# SOUND_SERVER=pipewire: with dbus, pipewire, pipewire-pulse and wireplumber instead of pulseaudio.
SOUND_SECONDS ?= 60
SOUND_SERVER ?= pulseaudio
test-audio: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q "sounddevice>=0.5"
	FACEANIME_SOUND_SECONDS=$(SOUND_SECONDS) FACEANIME_SOUND_SERVER=$(SOUND_SERVER) $(BIN)/python -m pytest -rs tests/realtime/test_sound_server.py $(ARGS)

# Page, sound and file together, for long: `make soak MINUTES=30`. Fails on growing memory and on bursts of drops.
soak: MINUTES = 30
soak: setup
	$(BIN)/python tests/soak/run.py --minutes $(MINUTES) $(ARGS)
