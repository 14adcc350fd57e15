"""Three labels of a person's own, in the place of the usual four."""

from llm_strategy.market.regimes import Regimes

DOCUMENT = {
    "risk_on": {"meaning": "investors buy what is risky", "actions": ["enter_long", "hold"], "colour": "#2a7"},
    "risk_off": {"meaning": "investors flee to <safety> & gold", "actions": ["exit", "hold", "enter_short"]},
    "mixed": "no clear direction",
}
OWN = Regimes.from_document(DOCUMENT)


def slots_reader(request):
    """A model that reads, and fills slots: on when the line says above, off (and long, which does not agree) when it
    says below."""
    market = request.messages[-1].content
    label, action = "mixed", "hold"
    if "above" in market:
        label, action = "risk_on", "enter_long"
    elif "below" in market:
        label, action = "risk_off", "enter_long"
    return {"label": label, "action": action, "action_confidence": "70", "rationale": "As the average says."}


def json_reader(request):
    """The same as a whole JSON object."""
    said = slots_reader(request)
    return {
        "rationale": said["rationale"],
        "regime": {"label": said["label"]},
        "action": {"type": said["action"], "confidence": 0.7},
    }
