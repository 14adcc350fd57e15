"""Where a run comes from: versions, git state, machine, and the identity that names its folder."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.advice.written_prompt import prompts_sha256
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.analytics.registry import ANALYTICS_GROUP
from llm_strategy.market.analytics.registry import is_own as is_own_analytic
from llm_strategy.market.context.registry import CONTEXT_GROUP, data_files, feature_names, own_sources
from llm_strategy.market.view import FEATURE_GROUP, is_own
from llm_strategy.support.plugins import source_sha256
from llm_strategy.support.read_regular import at_home, open_regular
from llm_strategy.support.schemas import schemas_sha256
from simulator.experiment.advisor import RUNTIME
from simulator.experiment.configuration import Experiment
from simulator.experiment.named_analytics import named_analytics
from simulator.folder.record import file_name, without_folders
from simulator.prices.universe import Universe

_PACKAGES = ("backtrader-llm", "backtrader", "gpt4all", "openai", "arch", "numpy", "pandas", "matplotlib", "jsonschema")


def run_identity(
    experiment: Experiment,
    arms: tuple[str, ...],
    universe: Universe,
    model: LLMClient | None,
    advisors: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Hash over everything that decides the evidence: equal identities mean equal runs, folder and output apart.
    ``advisors`` are who answers each of them, by name."""
    decides = {
        "experiment": experiment.resolved(),
        "prices": {"sha256": universe.sha256},
        "prompts": prompts_sha256(),
        "schemas": schemas_sha256(),
        "versions": {"backtrader-llm": version("backtrader-llm")},
    }
    who = {"advisors": advisors} if advisors else {}
    return identity_from(decides | own_parts(*shown_parts(experiment)) | model_of(model) | who, arms)


def identity_from(manifest: Mapping[str, Any], arms: Sequence[str]) -> str:
    """The identity of a run of these arms, from what stands in its manifest."""
    configuration = without_folders(manifest["experiment"])
    output = configuration.pop("output")
    configuration.pop("watch", None)  # how bars come as they happen
    if "advisor" in configuration:
        configuration["advisor"] = _that_decides(configuration["advisor"])
    for section in ("advisors", "arms"):
        if isinstance(configuration.get(section), Mapping):
            configuration[section] = {name: _that_decides(one) for name, one in configuration[section].items()}
    if "regimes" in configuration:  # their order is that of the choices in a prompt
        configuration["regimes"] = list(configuration["regimes"].items())
    if checklist := configuration["risk"].get("checklist"):  # of items it is that of the questions and of the cuts
        ordered = checklist | {"items": list(checklist["items"].items())}
        configuration["risk"] = configuration["risk"] | {"checklist": ordered}
    asked = manifest.get("explainer") or manifest
    decides = {
        "experiment": configuration,
        "arms": arms,
        "explain": output["explain"],
        "prices": manifest["prices"]["sha256"],
        "model": asked["model"],
        "sampler": asked["sampler"],
        "prompts": manifest["prompts"],
        "schemas": manifest["schemas"],
        "version": manifest["versions"]["backtrader-llm"],
    } | {key: place[key] for place, key in ((asked, "fallbacks"), (manifest, "own_parts")) if key in place}
    if manifest.get("advisors"):
        decides["advisors"] = {
            name: {key: value for key, value in who.items() if key != "usage"}
            for name, who in manifest["advisors"].items()
        }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _that_decides(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Settings of an advisor or an arm without what changes no answer: a budget decides when a run stops, not what it
    finds, and of who answers the model's own identity tells."""
    if settings is None:
        return None
    return {name: value for name, value in settings.items() if name not in ("budget", *RUNTIME)}


class Parts(NamedTuple):
    """What an experiment names of which some may be a person's own: features, entries of context, and analytics."""

    features: list[str]
    context: list[Any]
    analytics: list[str]


def shown_parts(experiment: Experiment) -> Parts:
    """The features, the sources of context and the analytics of all advisors."""
    configs = [arm.config for arm in experiment.plan if arm.config is not None] or [experiment.advisor]
    features = dict.fromkeys(name for config in configs for name in config.features)
    context = [entry for config in configs for entry in config.context]
    context += [choice.plain for config in configs if config.menu for choice in config.menu.choices]
    return Parts(list(features), context, list(named_analytics(experiment)))


def own_parts(
    features: Iterable[str], context: Any = (), analytics: Iterable[str] = (), *, data: bool = True
) -> dict[str, dict[str, str]]:
    """sha256 of the files of a person's own among these features, sources of context and analytics, and with ``data``
    of those that sources read, by their names in the experiment without folders, for a manifest; nothing where there
    are none."""
    own: dict[str, str] = {}
    parts = [(feature, FEATURE_GROUP) for feature in (*features, *feature_names(context)) if is_own(feature)]
    parts += [(source, CONTEXT_GROUP) for source in own_sources(context)]
    parts += [(analytic, ANALYTICS_GROUP) for analytic in analytics if is_own_analytic(analytic)]
    hashes = [(file_name(part), source_sha256(part, group)) for part, group in dict.fromkeys(parts)]
    if data:
        hashes += [(at_home(path).name, _file_sha256(at_home(path))) for path in dict.fromkeys(data_files(context))]
    for name, sha256 in hashes:
        while name in own:  # a file of that name in another folder
            name += "_"
        own[name] = sha256
    return {"own_parts": own} if own else {}


def _file_sha256(path: Path) -> str:
    """Of a file's content; empty where it cannot be read, which the source says itself."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def model_of(client: LLMClient | None) -> dict[str, Any]:
    """Who answers, for a manifest: identity, sampler, and fallbacks where there are any."""
    if client is None:
        return {"model": None, "sampler": None}
    said = {"model": client.identity.as_dict(), "sampler": sampler_of(client)}
    return said | ({"fallbacks": list(client.fallbacks)} if client.fallbacks else {})


def provenance() -> dict[str, Any]:
    """Versions, git state and machine, for a manifest."""
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "prompts": prompts_sha256(),
        "schemas": schemas_sha256(),
        "git": _git(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }


@cache
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


def sampler_of(client: LLMClient) -> dict[str, Any]:
    """What besides messages and identity goes into a request, for a manifest."""
    defaults = client.defaults
    return {"temperature": defaults.temperature, "max_tokens": defaults.max_tokens, "seed": defaults.seed}
