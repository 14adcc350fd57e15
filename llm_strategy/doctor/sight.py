"""Whether a model sees what it is shown: it names the colours of two pictures."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from llm_strategy.errors import BackendFailure
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from llm_strategy.llm.structured.json_repair import json_text
from llm_strategy.shown import Image

_SIDE = 128
"""Pixels; smaller pictures some models refuse."""
_COLOURS = {"red": (220, 0, 0), "green": (0, 170, 0)}
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
)
_QUESTION = 'What colour is this picture? Answer with a JSON object such as {"colour": "blue"}: red, green or blue.'


def try_sight(client: LLMClient) -> str:
    """What a check of sight says where both colours were named; raises ``BackendFailure`` where one was not, as by a
    server that drops images in silence, and what the client raises."""
    for colour in _COLOURS:
        asked = Message("user", _QUESTION, (_picture(colour),))
        request = replace(client.defaults, messages=(asked,), json_mode=True, json_schema=_SCHEMA, max_tokens=96)
        said = json.loads(json_text(client.complete(request).text)).get("colour")
        if said != colour:
            raise BackendFailure(f"A {colour} picture was called {said!r:.40}: the model does not see it.")
    return f"it named the colours of {len(_COLOURS)} pictures"


def _picture(colour: str) -> Image:
    from PIL import Image as Pictures

    whole = io.BytesIO()
    Pictures.new("RGB", (_SIDE, _SIDE), _COLOURS[colour]).save(whole, "PNG")
    return Image.of(whole.getvalue())
