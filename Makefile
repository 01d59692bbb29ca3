# make             build/ayf
# make demo        teacher to one-step student on emoji, six to ten minutes on two cores
# make test        every test
# make bench       time a training step and a call, then a small network alone and beside a busy processor
# make bench-peers the same beside PyTorch, ONNX Runtime and OpenVINO, from PyPI in build/peers (some GB)
#                  (PEERS_PYTHON=a Python that has them, PEERS_ARGS="--rounds 5 --compile")
# make golden DIR=<folder of reference numbers>
# make install     headers, libraries, program, manual pages, completions, pkg-config and CMake files   (PREFIX=/usr/local, DESTDIR=)
# make uninstall, clean, format, fuzz (RUNS=executions of each reader)
#
# Missing packages are installed by scripts/deps.sh the first time. Meson and Ninja do the work: this file only
# names what is done often.

BUILD = build
PREFIX = /usr/local
RUNS = 200000
PEERS_PYTHON = $(BUILD)/peers/bin/python
PEERS_ARGS =

.PHONY: all demo test bench bench-peers golden install uninstall clean format fuzz

# The tests are built by make test only.
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) installed

$(BUILD)/build.ninja:
	@./scripts/deps.sh
	@meson setup $(BUILD) --prefix=$(PREFIX)

demo: all
	@$(BUILD)/ayf demo runs/demo

test: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs

bench: all
	@$(BUILD)/ayf bench
	@scripts/bench_busy.sh $(BUILD)/ayf

bench-peers: all $(PEERS_PYTHON)
	@$(PEERS_PYTHON) scripts/peers/compare.py $(BUILD)/ayf --models $(BUILD)/peers-models $(PEERS_ARGS)

$(BUILD)/peers/bin/python:
	@python3 -m venv $(BUILD)/peers.part
	@$(BUILD)/peers.part/bin/python -m pip install --quiet -r scripts/peers/requirements.txt
	@mv $(BUILD)/peers.part $(BUILD)/peers

golden: all
	@test -n "$(DIR)" || { echo "usage: make golden DIR=<folder of reference numbers>" >&2; exit 2; }
	@$(BUILD)/ayf golden "$(DIR)"

install: $(BUILD)/build.ninja
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@ninja -C $(BUILD) installed
	@meson install -C $(BUILD) --no-rebuild

uninstall:
	@ninja -C $(BUILD) uninstall

clean:
	rm -rf $(BUILD) build-asan build-fuzz

format:
	@./scripts/deps.sh format
	@clang-format -i $$(git ls-files '*.c' '*.h')

fuzz:
	@./scripts/deps.sh
	@./scripts/deps.sh fuzz
	@tests/fuzz/run.sh $(RUNS)
