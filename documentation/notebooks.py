"""A notebook as a page, and run anew: cells in one namespace, what they print and show kept as their outputs.

``python -m documentation.notebooks FILE`` runs one and writes its outputs into it. No kernel and no other process is
needed: a cell is Python, and its last expression is shown as in a notebook.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """The notebook of a file."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def source(cell: dict[str, Any]) -> str:
    """The text of a cell."""
    return "".join(cell["source"])


def shown(cell: dict[str, Any]) -> str:
    """What a cell of code printed and showed, as text."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
    return "".join("".join(part) + "\n" * (not "".join(part).endswith("\n")) for part in parts)


def page(notebook: Notebook) -> str:
    """The notebook as Markdown: its text, its code, and below each cell what it showed."""
    parts = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(source(cell))
            continue
        parts.append(f"```python\n{source(cell)}\n```")
        if text := shown(cell).rstrip():
            parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def run(notebook: Notebook) -> list[str]:
    """What each cell of code shows when all are run in their order."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    return [run_cell(source(cell), namespace) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_cell(text: str, namespace: dict[str, Any]) -> str:
    """Run one cell; what it prints, and behind that its last expression."""
    tree = ast.parse(text)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), namespace)  # noqa: S102 - the documentation's own code
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)  # noqa: S307
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    return printed.getvalue()


def write_outputs(path: Path) -> None:
    """Run a notebook and keep what its cells show in its file."""
    notebook = read(path)
    texts = iter(run(notebook))
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            lines = next(texts).splitlines(keepends=True)
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_outputs(Path(sys.argv[1]))
