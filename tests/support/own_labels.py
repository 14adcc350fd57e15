"""Three labels of a person's own, in the place of the usual four."""

from llm_strategy.market.regimes import Regimes

DOCUMENT = {
    "risk_on": {"meaning": "investors buy what is risky", "actions": ["enter_long", "hold"], "colour": "#2a7"},
    "risk_off": {"meaning": "investors flee to <safety> & gold", "actions": ["exit", "hold", "enter_short"]},
    "mixed": "no clear direction",
}
OWN = Regimes.from_document(DOCUMENT)


def risk_reader(request):
    """A model that reads: on when the line says above, off when it says below; it fills slots or writes JSON."""
    market = request.messages[-1].content
    if "above" in market:
        label, action, why = "risk_on", "enter_long", "Above the long average."
    elif "below" in market:
        label, action, why = "risk_off", "enter_long", "Below the long average."  # which does not agree
    else:
        label, action, why = "mixed", "hold", "Near the long average."
    return {"label": label, "action": action, "action_confidence": "70", "rationale": why}
