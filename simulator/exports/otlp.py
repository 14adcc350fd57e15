"""Spans in the OpenTelemetry protocol as JSON: into a file that a collector reads, or to its address over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from llm_strategy.errors import ConfigurationError, ServerNotReached
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import write_whole
from simulator.exports.spans import ERROR, Span
from simulator.folder.outside import guard_writing

AT_ONCE = 500
"""Spans of one request: collectors refuse those of several megabytes."""
TIMEOUT_S = 30.0
PATH = "/v1/traces"


def otlp_document(spans: Sequence[Span]) -> dict[str, Any]:
    """The message ``ExportTraceServiceRequest`` in its JSON form: ids hexadecimal, 64-bit numbers as text."""
    service = {"service.name": "backtrader-llm", "service.version": version("backtrader-llm")}
    scope = {"name": "backtrader_llm", "version": version("backtrader-llm")}
    of_scope = {"scope": scope, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(service)}, "scopeSpans": [of_scope]}]}


def write_otlp(spans: Sequence[Span], to: Path) -> Path:
    """Write one line of JSON, as the file exporter of a collector does; raises ``RunFolderError``."""
    text = json.dumps(otlp_document(spans), ensure_ascii=False, separators=(",", ":"))
    with guard_writing(to):
        write_whole(to, spelled_out_json(text) + "\n")
    return to


def send_otlp(spans: Sequence[Span], endpoint: str) -> str:
    """Send the spans to a collector, and give the address they went to.

    Without a path the ``endpoint`` gets that of traces. ``OTEL_EXPORTER_OTLP_HEADERS`` holds headers, such as a key.
    Raises ``ConfigurationError`` for what is no address, and ``ServerNotReached`` where nobody takes them.
    """
    import requests

    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{endpoint} is no address of a collector: such as http://localhost:4318")
    address = endpoint if parts.path.strip("/") else endpoint.rstrip("/") + PATH
    headers = {"Content-Type": "application/json", **_headers()}
    for first in range(0, len(spans), AT_ONCE):
        body = json.dumps(otlp_document(spans[first : first + AT_ONCE]), separators=(",", ":"))
        try:
            answer = requests.post(address, body.encode(), headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as problem:
            raise ServerNotReached(
                f"The collector at {address} does not answer ({type(problem).__name__}): start it, or write a file."
            ) from None
        if not answer.ok:
            raise ServerNotReached(
                f"The collector at {address} does not take the spans (HTTP {answer.status_code}): check its address "
                "and OTEL_EXPORTER_OTLP_HEADERS."
            )
    return address


def _headers() -> dict[str, str]:
    """``key=value,key=value``, values as in a URL."""
    pairs = (each.partition("=") for each in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","))
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip()}


def _span(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"code": ERROR, "message": span.problem} if span.problem else {}
    return {
        "traceId": span.trace,
        "spanId": span.identity,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.attributes),
        "status": status,
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case _:
            return {"stringValue": str(value)}
