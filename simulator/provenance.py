"""Where a run comes from: versions, git state, machine, and the identity that names its folder."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llm_strategy.llm.client import LLMClient
from llm_strategy.prompting import prompts_sha256
from llm_strategy.schemas import schemas_sha256
from simulator.answers import fallbacks_of, sampler_of
from simulator.experiment import Experiment
from simulator.record import origins
from simulator.universe import Universe

_PACKAGES = ("backtrader-llm", "backtrader", "gpt4all", "openai", "arch", "numpy", "pandas", "matplotlib", "jsonschema")


def run_identity(experiment: Experiment, arms: tuple[str, ...], universe: Universe, model: LLMClient | None) -> str:
    """Hash over everything that decides the evidence: equal identities mean equal runs, folder and output apart."""
    configuration = experiment.as_dict()
    configuration["data"] = origins(configuration["data"])
    configuration["advisor"].pop("budget")  # it decides when a run stops, not what it finds
    decides = {
        "experiment": {key: value for key, value in configuration.items() if key != "output"},
        "arms": arms,
        "explain": experiment.output.explain,
        "prices": universe.sha256,
        "model": None if model is None else model.identity.as_dict(),
        "sampler": None if model is None else sampler_of(model),
        "prompts": prompts_sha256(),
        "schemas": schemas_sha256(),
        "version": version("backtrader-llm"),
    } | fallbacks_of(model)
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def provenance() -> dict[str, Any]:
    """Versions, git state and machine, for a manifest."""
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "prompts": prompts_sha256(),
        "schemas": schemas_sha256(),
        "git": _git(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Commit of the source this runs from, and whether it was changed; ``None`` where it is not a checkout."""

    def ask(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if not Path(__file__).is_relative_to(ask("rev-parse", "--show-toplevel")) or ask("check-ignore", __file__):
            return None
    except subprocess.CalledProcessError as problem:
        if problem.returncode != 1:  # 1: the file is not ignored, so it is a checkout of ours
            return None
    except (OSError, subprocess.SubprocessError):
        return None
    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
