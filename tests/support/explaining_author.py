"""A model that explains: it reads the facts of a part as it is shown them, and writes of them well, or badly."""

import json
import re

_FACT = re.compile(r"^- (?P<id>\S+): (?P<label>.+) = (?P<text>.+?)(?P<due> \(must be told\))?$", re.MULTILINE)
BAD = (
    "The account doubled because the model is skilful.",
    "Investors should buy now.",
    "llm made 99 trades.",
    "<script>alert(1)</script> [here](https://evil.example) \x1b[31m",
    "llm surged far above every rival.",
    "The advice never lost.",
)


def facts_in(request):
    """The facts that a request shows: id, label and value as numbers or text."""
    asked = next(message.content for message in request.messages if message.role == "user")
    return {found["id"]: found["label"] for found in _FACT.finditer(asked)}


def values_in(request):
    asked = next(message.content for message in request.messages if message.role == "user")
    return {found["id"]: _number(found["text"]) for found in _FACT.finditer(asked)}


def _number(text):
    try:
        return float(text.replace(",", "").replace("%", "").replace(" pp", ""))
    except ValueError:
        return None


def sentence(text, *claims):
    return {"text": text, "claims": [{"relation": claim[0], "facts": list(claim[1:])} for claim in claims]}


def well(request, arm="llm"):
    """As a large model answers that keeps to what it was told."""
    if "Answer with one JSON object and nothing else, with one to three statements" in request.messages[-1].content:
        statement = {"conditions": ["market.drawdown < -0.2"], "direction": "up", "horizon": 60, "effect": 0.02}
        return json.dumps({"hypotheses": [statement]})
    known, values = facts_in(request), values_in(request)
    told = []
    if {f"{arm}.total_return", f"{arm}.sharpe"} <= set(known) and f"{arm}.exposure" in known:
        told.append(sentence(
            f"Over the whole period the advice of {arm} had a total return of {{{arm}.total_return}}, with a Sharpe "
            f"ratio of {{{arm}.sharpe}}"
        ))  # fmt: skip
    for name in known:
        other, _, metric = name.rpartition(".")
        own = f"{arm}.{metric}"
        if other == arm or own not in known or metric not in ("sharpe", "total_return", "costs", "max_drawdown"):
            continue
        called = {"sharpe": "Sharpe ratio", "total_return": "total return", "max_drawdown": "drawdown"}.get(
            metric, metric
        )
        if values[own] != values[name]:
            word = "lower" if values[own] < values[name] else "higher"
            told.append(sentence(
                f"The {called} of {arm}, {{{own}}}, is {word} than the {{{name}}} of {other}",
                (f"{word} than", own, name),
            ))  # fmt: skip
    for low in (name for name in known if name.endswith(".low") and name.replace(".low", ".high") in known):
        other, high = low.removeprefix(f"{arm}-").removesuffix(".low"), low.replace(".low", ".high")
        if values[low] <= 0 <= values[high]:
            told.append(sentence(
                f"Between {arm} and {other} the interval of the difference, {{{low}}} to {{{high}}}, contains zero",
                ("not distinguishable", low, high),
            ))  # fmt: skip
    if f"{arm}.cut" in known:
        told.append(sentence(f"The gate cut {{{arm}.cut}} decisions of {arm} and refused {{{arm}.refused}}"))
    return json.dumps({"sentences": told[:8]})


def badly(request):
    """As a model answers that does as it likes, and again so when it is asked again."""
    if "statements" in request.messages[-1].content:
        return json.dumps({"hypotheses": [{"conditions": ["market.mood > 1"], "direction": "up"}, "buy"]})
    claims = [{"relation": "higher than", "facts": ["llm.sharpe", "llm.trades"]}]
    return json.dumps(
        {"sentences": [{"text": text, "claims": claims if number % 2 else []} for number, text in enumerate(BAD)]}
    )
