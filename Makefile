PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

TOOLS := build/tools

.PHONY: env adapter model second-model training demo test quick fuzz expected contracts calibrate check bench bench-models bench-layouts \
	docs example picture wheel lock audit clean

env: $(READY)

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

model: env
	$(BIN)/btllm models pull smollm2-135m

# Without a network its tests are skipped and say so; nothing else needs it.
second-model: env
	-$(BIN)/btllm models pull gemma3-270m

# What btllm train needs (the extra train): large, and left out of the environment of the other tests.
training: env
	$(BIN)/pip install --quiet torch==2.13.0 transformers==5.24.0 peft==0.21.2

demo: model
	$(BIN)/btllm demo

# Two processes, each with whole files, because what a file's tests share is made once; in the order of their names, because a file of
# few tests may take long and must not be left for the end.
test: model second-model
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# No model, no server, no whole runs: under a minute.
quick: env
	$(BIN)/pytest -n 2 --dist loadfile -m "not model and not server and not slow"

# Hostile input for every reader, for BTLLM_FUZZ_MINUTES (20); then the whole demo on recorded answers, the gate, a
# hundred kills, and a disk that fails at every moment.
fuzz: model second-model
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest tests/fuzz/test_fuzz.py tests/runs/test_expected.py tests/risk/test_gate_properties.py \
		tests/runs/test_killed.py tests/runs/test_disk_that_fails.py

# What the demo's figures are expected to be, written anew: look at what changed before you keep it.
expected: model
	LLM_TIMEOUT_S=900 $(BIN)/python tests/support/expected_demo.py

# The schemas of experiments and sweeps, written from the fields of the settings: after a setting has changed.
contracts: env
	$(BIN)/python -m simulator.experiment.schema > contracts/experiment.schema.new
	mv contracts/experiment.schema.new contracts/experiment.schema.json
	$(BIN)/python -m simulator.sweeps.document > contracts/sweep.schema.new
	mv contracts/sweep.schema.new contracts/sweep.schema.json

# The adapter of the package anew, from synthetic paths to its judgement (build/adapter/judged/judge.md): within an hour on
# two processors. What was cut off goes on with the same command.
adapter: model training
	$(BIN)/btllm train default --out build/adapter

# How often the verdict is right, on advisors without and with planted skill: some 25 minutes of one processor in all. What
# is done is on record (build/calibration.jsonl), and the same command goes on after it was cut off.
calibrate: env
	$(BIN)/python -m benchmarks.calibrate --out docs/calibration.md

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every figure of docs/speed.md, written anew: at most twelve minutes of two idle processors.
bench: model second-model
	$(BIN)/python -m benchmarks --write docs/speed.md

bench-models: model
	$(BIN)/python -m benchmarks.decisions --prefix

bench-layouts: model
	$(BIN)/python -m benchmarks.decisions --layouts --earlier --models smollm2-135m --backends llama_cpp --states 100

# The site of the documentation, into build/docs. Its pages are written by this environment, and put together in one of
# its own, from the versions and hashes of docs/requirements.lock.
docs: env build/docs-env/.ready
	$(BIN)/python -m documentation build/docs-source
	NO_MKDOCS_2_WARNING=1 build/docs-env/bin/mkdocs build --strict --quiet
	@echo build/docs/index.html

build/docs-env/.ready: docs/requirements.lock
	$(PYTHON) -m venv build/docs-env
	build/docs-env/bin/pip install --quiet --require-hashes --requirement docs/requirements.lock
	touch $@

# The example report is the page of the demo: made anew, with the picture of its first screen. README's table is held to it.
example: model
	page=$$(BTLLM_DATA_DIR=$$(mktemp -d) $(BIN)/btllm demo --quiet) && cp "$$page" "$${page%.html}.md" reports/example/
	$(MAKE) picture

# The first screen of the example report as the README shows it; needs Chromium.
picture: env
	$(BIN)/python -m documentation.picture reports/example/report.html docs/first-screen.png

# A file that pip installs anywhere.
wheel: env
	$(BIN)/python -m build --wheel --no-isolation

$(TOOLS)/bin/uv:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet uv==0.13.9 pip-audit==2.10.1

# constraints.txt says which versions, requirements.lock which files of them.
lock: $(TOOLS)/bin/uv
	$(TOOLS)/bin/uv pip compile pyproject.toml --quiet --extra dev --constraint constraints.txt --output-file requirements.lock \
		--universal --python-version 3.11.5 --generate-hashes --no-annotate --no-header
	echo mkdocs-material==9.8.2 | $(TOOLS)/bin/uv pip compile - --quiet --constraint constraints.txt \
		--output-file docs/requirements.lock --universal --python-version 3.11.5 --generate-hashes --no-annotate --no-header

# Asks the package index for known faults of every locked version; where it is not reached, pip-audit says so.
audit: $(TOOLS)/bin/uv
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes --requirement requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
