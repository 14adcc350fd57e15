"""The questions of a run as OpenTelemetry spans after the semantic conventions for generative AI.

One trace: the run (``invoke_workflow``), in it each advisor (``invoke_agent``), and in that each question to its model
(``chat``), from the audit log, which alone holds wall-clock times. Names of attributes, and what they mean:
open-telemetry/semantic-conventions-genai, docs/gen-ai (in development). What these have no name for stands under
``backtrader_llm``.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llm_strategy.errors import RunFolderError
from llm_strategy.support.read_regular import read_text
from simulator.experiment import LLM_ARM
from simulator.folder.record import Record
from simulator.folder.record_check import DAMAGE
from simulator.folder.workspace import AUDIT

INTERNAL, CLIENT = 1, 3
"""Kinds of span: of this process, and of a call to another one."""
ERROR = 2
"""Status of a span that failed."""
_IN_PROCESS = ("local_llama", "llama_cpp", "gpt4all", "scripted", "replay")
"""Backends whose models run in the same process."""
_PROVIDERS = {"bedrock": "aws.bedrock", "local_llama": "gpt4all"}
"""Backends that the conventions, or their engines, name otherwise."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span: times in nanoseconds since 1970, ids as hexadecimal text; ``problem`` is why it failed."""

    name: str
    kind: int
    trace: str
    identity: str
    parent: str
    begun: int
    ended: int
    attributes: Mapping[str, Any]
    problem: str = ""


def run_spans(record: Record, *, content: bool = False) -> list[Span]:
    """The spans of a run, those that hold others first; raises ``RunFolderError``.

    With ``content`` a question carries its messages and its answer, which the conventions leave to the user. Ids come
    of the identity of the run: sent twice, the same spans arrive.
    """
    manifest = record.manifest
    trace = _id(manifest.get("identity"), length=32)
    lines = list(_lines(record.folder))
    edges = [_nanoseconds(manifest[name]) for name in ("started", "finished") if manifest.get(name)]
    times = [edge for line in lines for edge in _times(line)] + edges
    if not times:
        raise RunFolderError(f"{record.folder} holds no time of any question: run the experiment again.")
    name = str(manifest["name"])
    root = Span(
        f"invoke_workflow {name}", INTERNAL, trace, _id(trace, "run"), "", min(times), max(times),
        {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": name,
            "backtrader_llm.identity": str(manifest.get("identity")),
            "backtrader_llm.symbols": list(manifest["prices"]["symbols"]),
            "backtrader_llm.decisions": int(manifest["usage"].get("decisions", 0)),
        },
    )  # fmt: skip
    spans, agents = [root], dict[str, Span]()
    closes = _closes(record) if lines else {}
    for number, line in enumerate(lines):
        agent = _agent(line, lines, root, agents)
        spans.append(_question(line, number, agent, closes, content=content))
    return [root, *agents.values(), *spans[1:]]


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of the audit log of this run, where there is one."""
    path = folder / AUDIT
    if not path.exists():
        return
    try:
        for text in read_text(path).splitlines():
            line = json.loads(text)
            _times(line)
            yield line
    except (OSError, *DAMAGE) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): restore it, or run the experiment again.") from None


def _agent(line: Mapping[str, Any], lines: Iterable[Mapping[str, Any]], root: Span, known: dict[str, Span]) -> Span:
    """The span of the advisor that asked a question, made when it is met first."""
    name = str(line.get("advisor") or LLM_ARM)
    if name not in known:
        own = [each for each in lines if str(each.get("advisor") or LLM_ARM) == name]
        times = [edge for each in own for edge in _times(each)]
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.provider.name": _provider(line),
            "gen_ai.request.model": str(line["model"]),
            "gen_ai.usage.input_tokens": sum(int(each["tokens_in"]) for each in own),
            "gen_ai.usage.output_tokens": sum(int(each["tokens_out"]) for each in own),
        }
        identity = _id(root.trace, "agent", name)
        known[name] = Span(
            f"invoke_agent {name}", INTERNAL, root.trace, identity, root.identity, min(times), max(times), attributes
        )
    return known[name]


def _question(
    line: Mapping[str, Any], number: int, agent: Span, closes: Mapping[str, list[str]], *, content: bool
) -> Span:
    """A question to a model; the reasons of a failure are its class alone."""
    begun, ended = _times(line)
    answered, failure = list(line.get("answered_by") or ()), str(line.get("failure") or "")
    decided = closes.get(str(line["request"]), [])
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider(line),
        "gen_ai.request.model": str(line["model"]),
        "gen_ai.response.model": answered[-1].partition(": ")[2].partition(" at ")[0] if answered else None,
        "gen_ai.response.finish_reasons": [str(line["finish"])] if line.get("finish") else None,
        "gen_ai.usage.input_tokens": int(line["tokens_in"]),
        "gen_ai.usage.output_tokens": int(line["tokens_out"]),
        "gen_ai.output.type": "text",
        **_server(line),
        "error.type": failure.partition(":")[0] or None,
        "backtrader_llm.request": str(line["request"]),
        "backtrader_llm.cached": bool(line["cached"]),
        "backtrader_llm.attempts": int(line["attempts"]),
        "backtrader_llm.draw": int(line["draw"]),
        "backtrader_llm.status": line.get("status"),
        "backtrader_llm.policy": line.get("policy"),
        "backtrader_llm.cost": float(line["cost"]) if isinstance(line["cost"], (int, float)) else None,
        "backtrader_llm.decisions": len(decided),
        "backtrader_llm.first_close": decided[0] if decided else None,
    }
    if content:
        attributes["gen_ai.input.messages"] = _messages(line["messages"])
        if line.get("answer") is not None:
            attributes["gen_ai.output.messages"] = _answer(line)
    kept = {name: value for name, value in attributes.items() if value is not None}
    kind = INTERNAL if line["backend"] in _IN_PROCESS else CLIENT
    identity = _id(agent.trace, "question", number, line["request"])
    name = f"chat {line['model']}"
    return Span(name, kind, agent.trace, identity, agent.identity, begun, ended, kept, failure)


def _closes(record: Record) -> dict[str, list[str]]:
    """By hash of a request, the closes whose decisions asked it, those of all arms in order."""
    found: dict[str, list[str]] = {}
    for arm in record.arms:
        if arm.manifest["model"] is not None:
            for entry in arm.entries:
                for exchange in entry.decision.exchanges:
                    found.setdefault(exchange.request_hash, []).append(entry.decision.snapshot.time)
    return found


def _messages(messages: Iterable[Mapping[str, Any]]) -> str:
    """What was said, in the form of the conventions, as JSON: spans of most programs know no lists of objects."""
    told = [{"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]} for each in messages]
    return json.dumps(told, ensure_ascii=False)


def _answer(line: Mapping[str, Any]) -> str:
    part = {"type": "text", "content": line["answer"]}
    told = {"role": "assistant", "parts": [part], "finish_reason": line.get("finish") or "stop"}
    return json.dumps([told], ensure_ascii=False)


def _provider(line: Mapping[str, Any]) -> str:
    backend = str(line["backend"])
    return _PROVIDERS.get(backend, backend)


def _server(line: Mapping[str, Any]) -> dict[str, Any]:
    """Host and port of the last call, where it went to a server."""
    endpoints = [call.get("endpoint") for call in line.get("calls") or () if call.get("endpoint")]
    parts = urlsplit(str(endpoints[-1])) if endpoints else None
    if parts is None or not parts.hostname:
        return {}
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return {"server.address": parts.hostname, "server.port": port}


def _times(line: Mapping[str, Any]) -> tuple[int, int]:
    """When a question began and ended; its line is written when it has ended."""
    ended = _nanoseconds(line["time"])
    return ended - round(float(line["latency_ms"]) * 1e6), ended


def _nanoseconds(time: str) -> int:
    at = datetime.datetime.fromisoformat(time)
    since = (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000


def _id(*parts: object, length: int = 16) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:length]
