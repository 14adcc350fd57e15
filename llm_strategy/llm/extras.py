"""The commands that install what a backend needs, from a checkout as well as from an index."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires


def install_hint(extra: str) -> str:
    """``pip install`` with the packages of one of our extras, such as ``openai``: they are on the package index, from
    wherever backtrader-llm itself came."""
    try:
        declared = requires("backtrader-llm") or []
    except PackageNotFoundError:  # imported from a folder that was never installed
        declared = []
    of_extra = re.compile(rf"""([^;\s]+)\s*;\s*extra\s*==\s*['"]{re.escape(extra)}['"]""")
    packages = sorted(found[1] for line in declared if (found := of_extra.fullmatch(line.strip())))
    if not packages:
        return f"pip install 'backtrader-llm[{extra}]'"
    return f"pip install {' '.join(repr(name) for name in packages)}"
