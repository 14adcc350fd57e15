"""``request.json``: one whole request of an arm as it was sent, the first one of its last decision, and behind a plan
the first one for the advice: what its model read; the images that it saw lie beside it, as ``request-1.png`` and so on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_strategy.llm.requests import Message, Request, Slot, request_hash
from llm_strategy.market.context.context import LARGEST_IMAGE
from llm_strategy.shown import Image
from llm_strategy.support.read_regular import read_bytes, read_text
from llm_strategy.support.write_whole import write_whole
from simulator.folder.evidence import write_json
from simulator.folder.tally import Tally

REQUEST = "request.json"
_IMAGES = "request-*.png"


def write_request(made: Tally, folder: Path) -> None:
    """Write the request, under the hash that the journal has for it, and its images; nothing where no model was
    asked."""
    advisor = made.asks
    if advisor is None or not (requests := advisor.last_requests):
        return
    first, *behind = ({"request": request_hash(each, advisor.client.identity)} | _document(each) for each in requests)
    write_json(first | ({"behind_the_plan": behind[0]} if behind else {}), folder / REQUEST)
    for name, image in _named(requests[-1].images).items():  # a question about a plan shows none
        write_whole(folder / name, image.content)


def request_files(folder: Path) -> tuple[str, ...]:
    """The names of the files of a request in a run folder, whether or not there is one."""
    return (REQUEST, *sorted(path.name for path in folder.glob(_IMAGES)))


def read_request(folder: Path) -> str | None:
    """The request of a run folder as text, message by message; None where there is none that can be read."""
    try:
        document = json.loads(read_text(folder / REQUEST))
        behind = document.get("behind_the_plan")
        told = "\n\n".join(_parts(document))
        return told if behind is None else "\n\n".join(["PLAN", told, "ADVICE", *_parts(behind)])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _parts(document: Mapping[str, Any]) -> list[str]:
    parts = [f"[{message['role']}]\n{message['content']}{_told(message)}" for message in document["messages"]]
    parts += [f"[{name}]\n{document[name]}" for name in ("form", "schema", "opening") if name in document]
    if "choices" in document:
        parts.append("[choices]\n" + "\n".join(document["choices"]))
    return parts


def read_images(folder: Path) -> dict[str, Image]:
    """The images of the request of a run folder by the names of their files, those that are as they were sent."""
    try:
        document = json.loads(read_text(folder / REQUEST))
        messages = document.get("behind_the_plan", document)["messages"]
        told = [image for message in messages for image in message.get("images", ())]
        named = {f"request-{number}.png": str(image["sha256"]) for number, image in enumerate(told, 1)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    found = {name: _read(folder / name) for name in named}
    return {name: image for name, image in found.items() if image is not None and image.sha256 == named[name]}


def _read(path: Path) -> Image | None:
    try:
        return Image.of(read_bytes(path, LARGEST_IMAGE))
    except (OSError, ValueError):
        return None


def _named(images: tuple[Image, ...]) -> dict[str, Image]:
    return {f"request-{number}.png": image for number, image in enumerate(images, 1)}


def _told(message: Mapping[str, Any]) -> str:
    """A line for each image behind a message."""
    return "".join(f"\n[image {image['file']}, sha256 {image['sha256']}]" for image in message.get("images", ()))


def _document(request: Request) -> dict[str, Any]:
    """What of a request decides what the model reads and may answer."""
    form = "".join(f"<{part.name}>" if isinstance(part, Slot) else part for part in request.form)
    names = iter(_named(request.images))
    parts = {
        "messages": [_message(message, names) for message in request.messages],
        "form": form,
        "schema": request.json_schema,
        "opening": request.opening,
        "choices": list(request.choices),
    }
    return {name: part for name, part in parts.items() if part}


def _message(message: Message, names: Iterator[str]) -> dict[str, Any]:
    images = [{"sha256": image.sha256, "file": next(names)} for image in message.images]
    return {"role": message.role, "content": message.content} | ({"images": images} if images else {})
