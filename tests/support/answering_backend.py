"""A backend as a person writes one that answers at once, whatever is asked: scores, forms, schemas, free text."""

import hashlib
import json

from llm_strategy.llm import Backend, Generation, ModelIdentity, Slot
from llm_strategy.llm.requests import fill

ADVICE = '{"rationale": "Quiet.", "regime": {"label": "bull"}, "action": {"type": "enter_long", "confidence": 0.7}}'


class Answering(Backend):
    """Chooses by the hash of the question, so that the same question has the same answer everywhere."""

    supports_images = True
    identity = ModelIdentity("answering", "answering", "answering", "1", supports_forms=True, supports_choices=True)

    def answer(self, request, on_text=None):
        values = {}
        if request.choices:
            said = repr((request.messages, request.opening, request.chosen, request.choices))
            at = int(hashlib.sha256(said.encode()).hexdigest(), 16) % len(request.choices)
            share = 1 / (len(request.choices) + 1)
            text = json.dumps({each: share * (1 + (place == at)) for place, each in enumerate(request.choices)})
        elif request.form:
            slots = [part for part in request.form if isinstance(part, Slot)]
            values = {slot.name: slot.choices[0] if slot.choices else "70" for slot in slots}
            text = fill(request.form, values)
        else:
            text = ADVICE if request.json_mode else "A quiet market."
        return Generation(text, tokens_in=1, tokens_out=1, latency_ms=0.0, values=values)
