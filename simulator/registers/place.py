"""Where a user's registers are kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

from llm_strategy.support.read_regular import at_home


def data_folder() -> Path:
    """Where what must not be lost is kept: ``BTLLM_DATA_DIR``, or the user's data folder."""
    chosen = os.environ.get("BTLLM_DATA_DIR")
    return at_home(chosen) if chosen else user_data_path("backtrader-llm")
