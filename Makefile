PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: env model second-model demo test fuzz check bench bench-models bench-layouts clean

env: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

model: env
	$(BIN)/btllm models pull smollm2-135m

# Without a network its tests are skipped and say so; nothing else needs it.
second-model: env
	-$(BIN)/btllm models pull gemma3-270m

demo: model
	$(BIN)/btllm demo

test: model second-model
	$(BIN)/pytest

fuzz: env
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest tests/test_gate_properties.py

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_packaging.py

bench: model
	$(BIN)/python -m benchmarks

bench-models: model
	$(BIN)/python -m benchmarks.decisions --prefix

bench-layouts: model
	$(BIN)/python -m benchmarks.decisions --layouts --earlier --models smollm2-135m --backends llama_cpp --states 100

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
