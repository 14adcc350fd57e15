"""A finished run as one of MLflow: settings as parameters, figures as metrics, pages and facts as artefacts."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.errors import BackendMissing, ConfigurationError, RunFolderError
from simulator.folder.record import Record, without_folders
from simulator.reporting.differences.settings import flat_settings, shown_value
from simulator.reporting.facts.fact import Facts, read_facts
from simulator.reporting.facts.terms import ARM_TERMS, PAIR_TERMS

ARTEFACTS = ("report.html", "report.md", "facts.json", "manifest.json")
IDENTITY, FINISHED = "backtrader_llm.identity", "backtrader_llm.finished"
AT_ONCE = 100
"""Parameters, and ten times as many metrics, that a tracking server takes in one request."""


class Logged(NamedTuple):
    """Where a run went: the address of the tracking store, and its id there; ``new`` unless it was there before."""

    uri: str
    run: str
    new: bool


def log_to_mlflow(record: Record, to: str = "") -> Logged:
    """Enter a finished run into an MLflow store, once: a run of the same identity and time is left as it is.

    ``to`` is a folder, or an address as MLflow knows them (``http://localhost:5000``, ``sqlite:///mlflow.db``); without
    one it is that of ``MLFLOW_TRACKING_URI``, or else the folder ``mlruns``. Raises ``BackendMissing`` where MLflow is
    not installed, ``ConfigurationError`` where it does not know such a store, ``RunFolderError`` where it cannot write.
    """
    uri = _address(to or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns")
    with _environment(uri):
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param, RunTag
            from mlflow.exceptions import MlflowException
        except ImportError:
            raise BackendMissing("Export to MLflow needs its client: pip install 'backtrader-llm[mlflow]'") from None
        try:
            client = MlflowClient(tracking_uri=uri)
            return _logged(record, uri, client, Param, Metric, RunTag)
        except MlflowException as problem:
            told = " ".join(str(problem).split()).rstrip(".")
            raise ConfigurationError(
                f"MLflow does not take the run at {uri} ({told[:300]}): name another --to."
            ) from None
        except OSError as problem:
            raise RunFolderError(f"{uri} cannot be written ({problem.strerror}): name another --to.") from None


def _logged(record: Record, uri: str, client: Any, param: Any, metric: Any, tag: Any) -> Logged:
    manifest, facts = record.manifest, read_facts(record.folder / "facts.json")
    name = str(manifest["name"])
    known = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if known is None else known.experiment_id
    identity, finished = str(manifest.get("identity")), str(manifest.get("finished"))
    asked = f"tags.`{IDENTITY}` = '{identity}' and tags.`{FINISHED}` = '{finished}'"
    for there in client.search_runs([experiment], filter_string=asked, max_results=1):
        return Logged(uri, there.info.run_id, new=False)
    begun, ended = (_milliseconds(manifest.get(moment)) for moment in ("started", "finished"))
    run = client.create_run(experiment, start_time=begun, run_name=record.folder.name).info.run_id
    client.log_batch(run, tags=[tag(key, value) for key, value in _tags(record, facts, identity, finished).items()])
    for some in _parts(list(settings_of(record).items()), AT_ONCE):
        client.log_batch(run, params=[param(key, value) for key, value in some])
    for some in _parts(list(figures_of(record, facts).items()), 10 * AT_ONCE):
        client.log_batch(run, metrics=[metric(key, value, ended or 0, 0) for key, value in some])
    for file in ARTEFACTS:
        if (record.folder / file).is_file():
            client.log_artifact(run, str(record.folder / file))
    client.set_terminated(run, "FAILED" if manifest["status"] == "failed" else "FINISHED", ended)
    return Logged(uri, run, new=True)


def settings_of(record: Record) -> dict[str, str]:
    """The settings of the experiment by their whole key, and the model, as texts."""
    configured = dict(flat_settings(without_folders(record.manifest["experiment"])))
    model = {f"model.{key}": value for key, value in flat_settings(record.manifest.get("model") or {})}
    return {_key(key): shown_value(value) for key, value in (configured | model).items()}


def figures_of(record: Record, facts: Facts) -> dict[str, float]:
    """The figures of the arms and of the pairs that were compared, by id of the fact; none that is counted by kind."""
    names = [arm.name for arm in record.arms]
    wanted = dict.fromkeys(names, ARM_TERMS) | {f"{one}-{other}": PAIR_TERMS for one in names for other in names}
    return {
        _key(identity): float(fact.value)
        for identity, fact in facts.items()
        if fact.metric in wanted.get(fact.subject, ()) and not isinstance(fact.value, str)
    }


def _tags(record: Record, facts: Facts, identity: str, finished: str) -> Mapping[str, str]:
    verdicts = {
        f"verdict.{arm.name}": facts[f"{arm.name}.verdict"].text
        for arm in record.arms
        if f"{arm.name}.verdict" in facts
    }
    whole = facts["run.verdict"].text if "run.verdict" in facts else ""
    symbols = ", ".join(record.prices)[:500]
    return {"verdict": whole, **verdicts, "symbols": symbols, IDENTITY: identity, FINISHED: finished}


def _address(to: str) -> str:
    """A store as MLflow names it; what has no scheme is a folder."""
    return to if "://" in to or to.startswith(("databricks", "sqlite:")) else Path(to).absolute().as_uri()


@contextmanager
def _environment(uri: str) -> Iterator[None]:
    """What MLflow reads of the environment, where the user has not set it: newer versions refuse a folder unless it is
    said that one is wanted, and a server that does not answer is tried for minutes."""
    wanted = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
    if uri.startswith("file:"):
        wanted["MLFLOW_ALLOW_FILE_STORE"] = "true"
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    yield from (items[first : first + size] for first in range(0, len(items), size))


def _key(name: str) -> str:
    """A name with none but the signs that MLflow allows, at most as long as it allows."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-./ ") else "_" for sign in name)[:250]


def _milliseconds(time: object) -> int | None:
    return None if not time else round(datetime.datetime.fromisoformat(str(time)).timestamp() * 1000)
