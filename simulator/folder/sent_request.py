"""``request.json``: one whole request of an arm as it was sent, the first one of its last decision: what its model
read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_strategy.llm.requests import Request, Slot, request_hash
from llm_strategy.support.read_regular import read_text
from simulator.folder.evidence import write_json
from simulator.folder.tally import Tally

REQUEST = "request.json"


def write_request(made: Tally, folder: Path) -> None:
    """Write the request, under the hash that the journal has for it; nothing where no model was asked."""
    advisor = made.asks
    if advisor is None or (request := advisor.last_request) is None:
        return
    write_json({"request": request_hash(request, advisor.client.identity)} | _document(request), folder / REQUEST)


def read_request(folder: Path) -> str | None:
    """The request of a run folder as text, message by message; None where there is none that can be read."""
    try:
        document = json.loads(read_text(folder / REQUEST))
        parts = [f"[{message['role']}]\n{message['content']}" for message in document["messages"]]
        parts += [f"[{name}]\n{document[name]}" for name in ("form", "schema", "opening") if name in document]
        if "choices" in document:
            parts.append("[choices]\n" + "\n".join(document["choices"]))
        return "\n\n".join(parts)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _document(request: Request) -> dict[str, Any]:
    """What of a request decides what the model reads and may answer."""
    form = "".join(f"<{part.name}>" if isinstance(part, Slot) else part for part in request.form)
    parts = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "form": form,
        "schema": request.json_schema,
        "opening": request.opening,
        "choices": list(request.choices),
    }
    return {name: part for name, part in parts.items() if part}
