"""A plan: the model chooses which analytics are run, and is asked for its advice with their results."""

import json
import re

import numpy as np
import pytest
from all_snapshots import read_all
from markets import random_prices, with_table

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.advice.planning.question import numbers_up_to
from llm_strategy.errors import AnswerTimeout, ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.market.view import causal_label
from llm_strategy.types import AbstentionReason, Status

LIST = ("rsi", "trend_strength", "drawdown_anatomy", "weekday", "hurst")
MODES = [(True, True), (True, False), (False, True), (False, False)]
ADVICE = {"rationale": "So it is.", "regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.7}}
FORM = {"label": "bull", "action": "hold", "action_confidence": "70", "rationale": "So it is."}


@pytest.fixture(scope="module")
def seen():
    return read_all(random_prices(330, seed=3), window=251)


def asks_for_plan(request):
    return "measured" in request.messages[0].content


def answers(plan):
    """A model that plans as ``plan`` says of a request, and else says the same."""

    def script(request):
        if asks_for_plan(request):
            return plan(request) if callable(plan) else plan
        if request.choices:
            return json.dumps(dict.fromkeys(request.choices, 1 / len(request.choices)))
        return FORM if request.form else json.dumps(ADVICE)

    return script


def advisor(plan, mode="json", script=None, forms=True, choices=False, **options):
    client = ScriptedClient(script or answers(plan), supports_forms=forms, supports_choices=choices)
    options = {"choose": 2, "tokens": 200, "analytics": LIST} | options
    return ModelAdvisor(client, options=PromptOptions(mode), plan=options)


def scores(*best):
    def plan(request):
        names = [choice.strip() for choice in request.choices]
        rest = [name for name in names if name not in best]
        ranked = [*best, *rest]
        weights = {name: 2.0 ** -(place + 1) for place, name in enumerate(ranked)}
        return json.dumps({choice: weights[choice.strip()] for choice in request.choices})

    return plan


IN_EACH_MODE = {
    "json": ("json", {"analytics": ["hurst", "rsi"]}, False),
    "names in slots": ("slots", {"analytic_1": "hurst", "analytic_2": "rsi"}, True),
    "numbers in slots": ("slots", {"analytic_1": "5", "analytic_2": "1"}, False),
    "choices": ("choices", scores("hurst", "rsi"), True),
}


@pytest.mark.parametrize(("mode", "plan", "scored"), IN_EACH_MODE.values(), ids=IN_EACH_MODE)
def test_the_chosen_analytics_are_run_and_their_results_stand_in_the_question_for_the_advice(mode, plan, scored, seen):
    planned = advisor(plan, mode, choices=scored)
    decision = planned.decide(seen[40])
    assert (decision.status, decision.plan) == (Status.ADVISED, ("hurst", "rsi"))
    assert [shown.source for shown in decision.context] == ["hurst", "rsi"]
    about, advice = planned.client.requests[0], planned.client.requests[-1]
    assert all(f" {name}: " in about.messages[0].content for name in LIST)
    assert about.messages[-1].content == f"Market: {decision.prompt}"
    paragraphs = [f"{shown.source}: {shown.text}" for shown in decision.context]
    assert advice.messages[-1].content.endswith("\n\n".join(paragraphs))
    assert [exchange.purpose for exchange in decision.exchanges][:2] == [
        "plan",
        "label" if mode == "choices" else "advice",
    ]


def test_what_is_named_twice_or_does_not_fit_the_budget_is_left_out(seen):
    takes = PlanOptions(analytics=LIST, choose=5).menu()
    tokens = takes.tokens("trend_strength") + takes.tokens("hurst")
    planned = advisor({"analytics": ["trend_strength", "trend_strength", "rsi", "hurst"]}, tokens=tokens, choose=4)
    assert planned.decide(seen[0]).plan == ("trend_strength", "hurst")


BROKEN = {
    "an unknown name": {"analytics": ["rsii"]},
    "an empty list": {"analytics": []},
    "no list": {"analytics": "rsi"},
    "another key": {"analytics": ["rsi"], "why": "so"},
    "text": "rsi, hurst",
    "a number": {"analytics": [1]},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_no_plan_is_asked_for_once_more(broken, seen):
    said = broken if isinstance(broken, str) else json.dumps(broken)
    once = advisor(lambda request: said if len(request.messages) == 2 else {"analytics": ["rsi"]})
    decision = once.decide(seen[0])
    assert decision.plan == ("rsi",)
    assert [exchange.purpose for exchange in decision.exchanges] == ["plan", "plan_repair", "advice"]
    never = advisor(said).decide(seen[0])
    assert (never.status, never.abstention.reason, never.plan) == (Status.ABSTAINED, AbstentionReason.INVALID, ())
    assert never.abstention.detail.startswith("plan: ")
    assert [exchange.purpose for exchange in never.exchanges] == ["plan", "plan_repair"]


def test_a_number_that_is_none_of_the_list_is_an_invalid_plan(seen):
    never = advisor({"analytic_1": "6", "analytic_2": "0"}, "slots").decide(seen[0])
    assert never.abstention.detail == "plan: names '6', and the analytics have the numbers 1 to 5"


@pytest.mark.parametrize("count", [1, 5, 9, 10, 14, 20, 43, 99])
def test_a_pattern_accepts_the_numbers_of_a_list_and_their_beginnings_alone(count):
    pattern = re.compile(numbers_up_to(count))
    accepted = {text for text in map(str, range(100)) if pattern.fullmatch(text)}
    beginnings = {str(number)[0] for number in range(1, count + 1)}
    more = {text for text in "123456789" if count >= 10}  # any digit is a number, or begins one
    assert accepted == {str(number) for number in range(1, count + 1)} | beginnings | more
    assert not pattern.fullmatch("0")


def test_a_failed_advice_keeps_what_was_planned(seen):
    def script(request):
        return {"analytics": ["rsi"]} if asks_for_plan(request) else AnswerTimeout("too late")

    decision = advisor(None, script=script).decide(seen[0])
    assert (decision.abstention.reason, decision.plan) == (AbstentionReason.TIMEOUT, ("rsi",))
    assert [shown.source for shown in decision.context] == ["rsi"]


def moments(when, seen):
    planned = advisor({"analytics": ["rsi"]}, when=when)
    decided = [planned.decide(snapshot) for snapshot in seen]
    asked = [request.messages[-1].content for request in planned.client.requests if asks_for_plan(request)]
    return planned, decided, asked


def test_between_two_moments_of_a_plan_its_question_is_the_same_and_asked_once(seen):
    _, decided, asked = moments("run", seen)
    assert asked == [f"Market: {decided[0].prompt}"]
    assert len({decision.exchanges[0].request_hash for decision in decided}) == 1


def test_a_change_of_the_causal_label_is_the_moment_of_another_plan(seen):
    planned, decided, asked = moments("regime", seen)
    labels = [causal_label(snapshot) for snapshot in seen]
    begins = [place for place in range(len(seen)) if not place or labels[place] != labels[place - 1]]
    assert 2 < len(begins) < len(seen)
    line = ""
    lines = [line := decided[place].prompt if place in begins else line for place in range(len(seen))]
    assert asked == list(dict.fromkeys(f"Market: {line}" for line in lines))
    keys = {r.messages[-1].content: request_hash(r, planned.client.identity) for r in planned.client.requests}
    assert [decision.exchanges[0].request_hash for decision in decided] == [keys[f"Market: {line}"] for line in lines]


def test_without_a_model_all_the_first_or_random_ones_are_run(seen):
    made = {by: advisor(None, by=by) for by in ("all", "fixed", "random")}
    plans = {by: [one.decide(snapshot).plan for snapshot in seen[:30]] for by, one in made.items()}
    assert set(plans["all"]) == {LIST}  # no budget binds the ceiling
    assert set(plans["fixed"]) == {LIST[:2]}
    assert len(set(plans["random"])) > 5
    assert all(len(set(plan)) == 2 for plan in plans["random"])
    assert plans["random"] == [advisor(None, by="random").decide(snapshot).plan for snapshot in seen[:30]]
    assert not any(asks_for_plan(request) for one in made.values() for request in one.client.requests)


def test_the_plan_alone_can_be_asked_for_and_its_results_are_figures(seen):
    planned = advisor({"analytics": ["hurst", "rsi"]})
    names, exchanges = planned.plan(seen[5])
    assert (names, [exchange.purpose for exchange in exchanges]) == (("hurst", "rsi"), ["plan"])
    first, _ = planned.offer(seen[5]).results(names)
    assert first.text == first.analytic.text(first.values)
    assert set(first.values) == set(first.analytic.outputs)
    assert advisor("nothing").plan(seen[5])[0] == ()


def texts(prices, mode, when):
    """Every request of a run about a plan, and for the advice behind all results."""
    chosen = advisor({"analytics": ["rsi"]}, when=when, analytics=(*LIST, {"analogues": {"k": 3, "horizon": 5}}))
    whole = advisor(None, by="all", analytics=(*LIST, {"analogues": {"k": 3, "horizon": 5}}))
    found = []
    for snapshot in read_all(prices, *mode, window=chosen.window):
        requests = [each.request(snapshot) for each in (chosen, whole)]
        found.append([request_hash(request, chosen.client.identity) for request in requests])
        chosen.witness(snapshot), whole.witness(snapshot)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_rewriting_every_later_bar_changes_no_request_of_a_plan_or_behind_it(mode):
    prices, cut = random_prices(340, seed=3), 310
    table = prices.table.copy()
    table.iloc[cut:, :4] *= np.linspace(50, 1e-3, len(table) - cut)[:, None]
    before, after = (texts(each, mode, "regime") for each in (prices, with_table(prices, table)))
    known = cut + len(before) - len(table)
    assert known > 30
    assert before[:known] == after[:known]
    assert before[known:] != after[known:]


def test_a_prompt_of_ones_own_shows_the_results_where_it_says(seen):
    prompt = PromptText("Market {{ features }}\nMeasured:\n{{ plan }}\n{{ form }}")
    client = ScriptedClient(answers({"analytics": ["hurst", "rsi"]}))
    options = PromptOptions("json", prompt=prompt, examples="none")
    planned = ModelAdvisor(client, options=options, plan={"analytics": LIST})
    decision = planned.decide(seen[0])
    lines = "\n".join(f"{shown.source}: {shown.text}" for shown in decision.context)
    assert f"Measured:\n{lines}\n" in client.requests[-1].messages[-1].content
    silent = PromptOptions("json", prompt=PromptText("Market {{ features }}\n{{ form }}"), examples="none")
    with pytest.raises(ConfigurationError, match=r"never shows \{\{ plan \}\}, the results of advisor\.plan: put it"):
        ModelAdvisor(client, options=silent, plan={"analytics": LIST})
