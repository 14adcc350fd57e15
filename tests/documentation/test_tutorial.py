"""The tutorial is a notebook that runs as it stands, and shows what it says it shows."""

import json

import pytest

from documentation import notebooks
from documentation.tree import ROOT

pytestmark = pytest.mark.slow

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


def test_every_cell_shows_what_stands_below_it(tmp_path, monkeypatch):
    """Where that was meant to change: ``python -m documentation.notebooks docs/tutorial.ipynb``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    notebook = notebooks.read(TUTORIAL)
    kept = [notebooks.shown(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebooks.run(notebook) == kept


def test_outputs_are_written_into_the_notebook(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Sums\n"]},
        {"cell_type": "code", "outputs": [], "source": ["x = 2\n", "print('two')\n", "x + 1"]},
        {"cell_type": "code", "outputs": [], "source": ["x = x * 2"]},
    ]
    path = tmp_path / "sums.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    notebooks.write_outputs(path)
    page = notebooks.page(notebooks.read(path))
    assert "```python\nx = 2\nprint('two')\nx + 1\n```\n\n```text\ntwo\n3\n```" in page
    assert page.endswith("```python\nx = x * 2\n```\n")
