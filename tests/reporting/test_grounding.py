"""Only what facts back is shown: true sentences pass, corrupted ones do not."""

import random
import re

import pytest
from explained_facts import ARMS, made_facts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.reporting.explanation.judge import Judge
from simulator.reporting.explanation.topics import topics

FACTS = made_facts()
JUDGE = Judge(FACTS, FACTS)
NAMES = {
    "sharpe": "Sharpe ratio",
    "total_return": "total return",
    "max_drawdown": "drawdown",
    "volatility": "annual volatility",
    "costs": "trading costs",
    "exposure": "mean exposure",
}
FLIPPED = {
    "higher": "lower", "lower": "higher", "highest": "lowest", "lowest": "highest", "positive": "negative",
    "negative": "positive", "above": "below", "below": "above", "outperformed": "underperformed", "more": "less",
    "underperformed": "outperformed", "less": "more", "contains zero": "excludes zero",
    "excludes zero": "contains zero", "does not contain zero": "contains zero", "larger": "smaller",
    "smaller": "larger", "better": "worse", "worse": "better",
}  # fmt: skip
BETTER = {"sharpe": 1, "total_return": 1, "max_drawdown": -1, "volatility": -1, "costs": -1}


def _text(arm, metric):
    return FACTS[f"{arm}.{metric}"].text


def _value(arm, metric):
    return FACTS[f"{arm}.{metric}"].value


def _alone(arm, metric, name):
    text, sign = _text(arm, metric), "positive" if _value(arm, metric) > 0 else "negative"
    yield f"The {name} of {arm} is {text}."
    yield f"{arm} had a {name} of {text}."
    yield f"{arm.replace('_', ' ')}'s {name} was {text}."
    yield f"The {name} of {arm}, {text}, is {sign}."
    yield f"{arm} ended with a {sign} {name} of {text}."
    ranked = sorted(ARMS, key=lambda other: _value(other, metric))
    for end, word in ((0, "lowest"), (-1, "highest")):
        if ranked[end] == arm:
            yield f"{arm} has the {word} {name} of all arms, {text}."


def _beside(arm, other, metric, name):
    one, two = _text(arm, metric), _text(other, metric)
    relation = "higher" if _value(arm, metric) > _value(other, metric) else "lower"
    yield f"The {name} of {arm} is {one}, {relation} than the {two} of {other}."
    yield f"{arm} has a {relation} {name} than {other}."
    yield f"The {name} of {arm} ({one}) is {relation} than that of {other} ({two})."
    yield f"Compared to {other}, {arm} has a {relation} {name}, {one}."
    yield f"The {name} of {arm} is {one}, while {other} has {two}."
    yield f"The {name} of {arm} is {one}, compared with {two} for {other}."
    yield f"{arm} and {other} had a {name} of {one} and {two}, respectively."
    if metric in BETTER:
        ahead = (_value(arm, metric) - _value(other, metric)) * BETTER[metric] > 0
        yield f"{arm} {'outperformed' if ahead else 'underperformed'} {other} in {name}."


def _of_pair(other):
    pair = f"llm-{other}"
    low, high = FACTS[f"{pair}.low"], FACTS[f"{pair}.high"]
    zero = "contains zero" if low.value <= 0 <= high.value else "excludes zero"
    yield f"The Sharpe difference between llm and {other} is {FACTS[f'{pair}.sharpe_difference'].text}."
    yield f"The interval of llm minus {other} ranges from {low.text} to {high.text} and {zero}."
    yield f"The interval between llm and {other} is [{low.text}, {high.text}]."
    for metric in ("low", "high", "p_value", "detectable"):
        yield f"The {FACTS[f'{pair}.{metric}'].label} is {FACTS[f'{pair}.{metric}'].text}."


def true_sentences():
    """Sentences in the ways in which models write, and the program's own plain ones that tell figures."""
    for metric, name in NAMES.items():
        for arm in ARMS:
            yield from _alone(arm, metric, name)
            for other in ARMS:
                if other != arm:
                    yield from _beside(arm, other, metric, name)
    for other in ARMS[1:]:
        yield from _of_pair(other)
    for arm in ARMS:
        yield f"{arm} made {_text(arm, 'trades')} trades and paid costs of {_text(arm, 'costs')}."
        yield f"{arm} had a Sharpe ratio of {_text(arm, 'sharpe')} and a total return of {_text(arm, 'total_return')}."
    for name in ("llm.statuses.abstained", "llm.statuses.repaired", "llm.clamps.max_position", "model.distinct"):
        yield f"The {FACTS[name].label} is {FACTS[name].text}."
    for topic in topics(FACTS)[:-1]:
        yield from (plain.text for plain in topic.sentences if not plain.text.startswith("Better than"))


def _numbers(sentence):
    return list(re.finditer(r"-?\d[\d,]*(?:\.\d+)?%?", sentence))


def _replaced(sentence, match, text):
    return sentence[: match.start()] + text + sentence[match.end() :]


def _corruptions(sentence, drawn):
    """Each way to corrupt the sentence in one place that changes what it says."""
    labelled = sentence.startswith("The p-value of no difference")
    for match in _numbers(sentence):
        number = match[0]
        at = drawn.choice([at for at, char in enumerate(number) if char.isdigit()])
        digit = drawn.choice([digit for digit in "123456789" if digit != number[at]])
        yield "digit", _replaced(sentence, match, number[:at] + digit + number[at + 1 :])
        yield "sign", _replaced(sentence, match, number[1:] if number.startswith("-") else f"-{number}")
        if "." in number:
            point = number.index(".")
            moved = number[: point - 1] + "." + number[point - 1] + number[point + 1 :]
            yield "point", _replaced(sentence, match, moved)
        other = drawn.choice([fact.text for fact in FACTS.values() if fact.text != number and fact.text[-1] != "d"])
        if other.strip("%").replace(",", "").replace(".", "").lstrip("-").isdigit():
            yield "another fact's number", _replaced(sentence, match, other)
    for word, opposite in FLIPPED.items():
        if re.search(rf"\b{word}\b", sentence) and not (labelled or (word == "contains zero" and "not" in sentence)):
            yield "direction", re.sub(rf"\b{word}\b", opposite, sentence, count=1)
            break
    named = [arm for arm in ARMS if re.search(rf"\b{arm}\b", sentence)]
    symmetric = "difference" in sentence and "minus" not in sentence and "between" not in sentence
    if len(named) == 2 and not symmetric and "p-value" not in sentence:
        swapped = re.sub(rf"\b(?:{'|'.join(named)})\b", lambda m: named[m[0] == named[0]], sentence)
        yield "arms", swapped
    if len(named) == 1 and _numbers(sentence):
        yield "arm", sentence.replace(named[0], drawn.choice([arm for arm in ARMS if arm not in named]))
    for name in NAMES.values():
        if name in sentence and _numbers(sentence):
            yield "metric", sentence.replace(name, drawn.choice([other for other in NAMES.values() if other != name]))


def test_true_sentences_are_accepted():
    sentences = list(dict.fromkeys(true_sentences()))
    accepted = [sentence for sentence in sentences if JUDGE.judge(sentence).accepted]
    print(f"\naccepted {len(accepted)} of {len(sentences)} true sentences")
    assert len(sentences) >= 300
    assert len(accepted) >= 0.95 * len(sentences)


def test_corrupted_sentences_are_refused():
    drawn = random.Random(11)
    accepted = [sentence for sentence in dict.fromkeys(true_sentences()) if JUDGE.judge(sentence).accepted]
    corrupted = [made for sentence in accepted for made in _corruptions(sentence, drawn)]
    missed = [(kind, text) for kind, text in corrupted if JUDGE.judge(text).accepted]
    print(f"\ncaught {len(corrupted) - len(missed)} of {len(corrupted)} corruptions; missed {missed[:10]}")
    assert {kind for kind, _ in corrupted} == {
        "digit", "sign", "point", "another fact's number", "direction", "arms", "arm", "metric",
    }  # fmt: skip
    assert len(corrupted) >= 300
    assert len(missed) <= 0.01 * len(corrupted)


SHARPE = _text("llm", "sharpe")


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        (f"The Sharpe ratio of llm is {SHARPE} because costs are lower.", "gives a cause"),
        (f"The Sharpe ratio of llm is {SHARPE} due to momentum.", "gives a cause"),
        (f"The Sharpe ratio of llm will be {SHARPE}.", "forecasts"),
        (f"With a Sharpe ratio of {SHARPE}, investors should choose llm.", "advises"),
        (f"llm had an impressive Sharpe ratio of {SHARPE}.", "judges without a fact"),
        (f"The Sharpe ratio of llm is not {SHARPE}.", "a denial is not checked"),
        ("llm made twice the trades of momentum.", "spells a number"),
        ("The costs of llm fell.", "direction that cannot be checked"),
        ("The Sharpe ratio of llm is 12.", "is no fact of this topic"),
        ("llm has a Sharpe ratio.", "tells no fact"),
        (f"The Sharpe ratio of llm is {SHARPE}, and momentum.", "nothing checkable is said"),
        ("llm and momentum.", "no figure of each"),
        (f"llm and momentum had a Sharpe ratio of {SHARPE}.", "cannot be checked"),
        ("llm has a lower Sharpe ratio.", "compared with nothing"),
        (f"The Sharpe ratio of gpt is {SHARPE}.", "no fact backs"),
        (f"llm made over {_text('llm', 'trades')} trades.", "has no name"),
        (f"momentum, compared to llm, had a Sharpe ratio of {SHARPE}.", "is not the sharpe of momentum"),
        (f"momentum and llm differ, which is {SHARPE}.", "no fact backs"),
        ("llm has a higher number of trades than llm.", "with itself"),
        (f"llm made {_text('llm', 'trades')} trades and is better than momentum.", "neither better nor worse"),
        ("", "tells no fact"),
    ],
)
def test_refusals_say_why(sentence, why):
    judgement = JUDGE.judge(sentence)
    assert not judgement.accepted
    assert why in judgement.refusal


def test_false_sentences_of_other_shapes_are_refused():
    """Each number is a fact of its arm, and each sentence says something else with it."""
    lower, upper = sorted(("llm", "momentum"), key=lambda arm: _value(arm, "sharpe"))
    low, high = _text(lower, "sharpe"), _text(upper, "sharpe")
    for sentence in (
        f"The Sharpe ratio of {lower} is {low} lower than {upper}.",
        f"{lower} has a {low} lower Sharpe ratio than {upper}.",
        f"Compared to {lower}, the Sharpe ratio of {upper} is above {high}.",
        f"{upper} minus {lower} has a Sharpe ratio of {low}.",
        f"{lower}'s Sharpe ratio is {low} of {upper}.",
        f"{lower} and {upper} had a Sharpe ratio of {high}.",
        f"{lower} has a lower Sharpe ratio than {upper}, which is {low}.",
        f"{lower}, compared to {upper}, had a Sharpe ratio of {high}.",
        f"{lower} beat {upper} by {high} in Sharpe ratio.",
        f"The Sharpe ratio of all arms is that of {lower}, {low}.",
        f"The Sharpe ratio of {lower} is {low} to {high}.",
        f"{lower} made at most {_text(lower, 'trades')} trades.",
    ):
        assert not JUDGE.judge(sentence).accepted, sentence


def test_facts_of_another_topic_are_refused():
    topic = {name: fact for name, fact in FACTS.items() if fact.metric == "costs"}
    assert not Judge(topic, FACTS).judge(f"The Sharpe ratio of llm is {SHARPE}.").accepted
    assert Judge(topic, FACTS).judge(f"llm paid costs of {_text('llm', 'costs')}.").facts == ("llm.costs",)


def test_a_largest_drawdown_is_a_rank_only_where_it_is_one():
    ranked = sorted(ARMS, key=lambda arm: _value(arm, "max_drawdown"))
    least, most = ranked[0], ranked[-1]
    assert JUDGE.judge(f"The largest drawdown of {least} is {_text(least, 'max_drawdown')}.").accepted
    assert JUDGE.judge(f"{most} had the largest drawdown, {_text(most, 'max_drawdown')}.").accepted
    assert not JUDGE.judge(f"{least} had the largest drawdown, {_text(least, 'max_drawdown')}.").accepted
    assert not JUDGE.judge(f"The largest drawdown of all arms is that of {least}.").accepted


WORDS = st.sampled_from(
    [
        *ARMS, *NAMES.values(), *(fact.text for fact in FACTS.values()), "The", "of", "is", "and", ",", "than",
        "higher", "lower", "largest", "the interval", "contains zero", "from", "to", "0", "0.5", "-1", "7%", "1,000",
        "two", "it", "minus", "with", "positive", "same", "(", ")", "\u0663", "\u00bd", "1e3", "+", "-",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=60) | st.sampled_from(list(true_sentences())))
@example(f"The Sharpe ratio of llm is {SHARPE}.")
def test_no_accepted_sentence_has_a_number_that_is_no_fact(sentence):
    judgement = JUDGE.judge(sentence)
    if judgement.accepted:
        assert judgement.facts
        texts = {FACTS[name].text for name in judgement.facts}
        assert {match[0].removesuffix(",") for match in _numbers(sentence)} <= texts
        assert not re.search(r"[^\W\d_]\d|\d[^\W\d_]", sentence)
