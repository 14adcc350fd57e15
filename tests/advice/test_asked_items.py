"""Items of a checklist that a model is asked about in its answer: in every mode, with an own prompt, and back from a
journal."""

import json

import pytest
from own_cerebro import own_cerebro, run
from past_states import SNAPSHOT

from llm_strategy import Limits, read_checklist
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.checks import AskedItem
from llm_strategy.advice.contract import advice_from_document, advice_to_document
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Slot, request_hash
from llm_strategy.risk.verdict import Intent, Verdict
from llm_strategy.trading.decision_lines import Entry, read_decision, write_decision
from llm_strategy.types import AbstentionReason, CheckAnswer, Status

ITEMS = (
    AskedItem("crowded", "Does the market look overextended?"),
    AskedItem("a_gap", "Is there news that nobody has read yet?"),
)
LINE = ("trend", "momentum", "volatility", "drawdown", "range", "volume")
PLAIN = {
    "rationale": "It falls.",
    "regime": {"label": "bear"},
    "action": {"type": "exit", "confidence": 0.6},
}
GIVEN = {"crowded": {"applies": True, "field": "range"}, "a_gap": {"applies": False, "field": "trend"}}
FOUND = (CheckAnswer("a_gap", False, "trend"), CheckAnswer("crowded", True, "range"))


def decide(answers, mode="json", **more):
    client = ScriptedClient(answers, supports_choices=mode == "choices")
    options = PromptOptions(mode, "none", checks=ITEMS, **more)
    return client, ModelAdvisor(client, options=options).decide(SNAPSHOT)


def test_json_asks_for_the_items_beside_the_advice():
    client, decision = decide([PLAIN | {"checks": GIVEN}])
    assert decision.advice.checks == FOUND
    (request,) = client.requests
    asked = json.loads(request.json_schema)["properties"]["checks"]
    assert list(asked["properties"]) == asked["required"] == ["crowded", "a_gap"]
    assert asked["properties"]["crowded"]["properties"]["field"]["enum"] == list(LINE)
    for item in ITEMS:
        assert f"- {item.name}: {item.question}" in request.messages[0].content


def test_slots_writes_the_checklist_behind_the_action():
    values = {"label": "bear", "action": "exit", "action_confidence": "61", "rationale": "It falls."}
    values |= {"crowded applies": "yes", "crowded field": "range", "a_gap applies": "no", "a_gap field": "trend"}
    for rationale in ("never", "always"):
        client, decision = decide([values], "slots", rationale=rationale)
        assert decision.advice.checks == FOUND
        assert decision.advice.action.confidence == 0.61
        holes = {part.name: part for part in client.requests[0].form if isinstance(part, Slot)}
        assert holes["crowded applies"].choices == ("yes", "no")
        assert holes["a_gap field"].choices == LINE


def scores(request):
    if " yes" in request.choices:
        yes = 0.9 if "overextended" in request.opening else 0.2
        return {" yes": yes, " no": 1 - yes}
    likely = {" bear", " exit", " range."}
    return {choice: float(choice in likely) for choice in request.choices}


def test_choices_scores_yes_or_no_and_the_field_where_it_is_yes():
    client, decision = decide(scores, "choices")
    assert decision.advice.checks == (CheckAnswer("a_gap", False, ""), CheckAnswer("crowded", True, "range"))
    assert [exchange.purpose for exchange in decision.exchanges] == ["label", "action", "check", "check", "check"]
    field = next(request for request in client.requests if request.chosen.startswith(" yes"))
    assert field.choices == tuple(f" {name}." for name in LINE)
    known = ModelAdvisor(client, options=PromptOptions("choices", "none", checks=ITEMS)).known_requests(SNAPSHOT)
    assert sum(" yes" in request.choices for request in known) == 2  # an estimate counts them


@pytest.mark.parametrize(
    ("checks", "problem"),
    [
        (None, "checks.crowded is missing"),
        ({"crowded": GIVEN["crowded"]}, "checks.a_gap is missing"),
        (GIVEN | {"other": {"applies": True, "field": "trend"}}, "checks.other was not asked"),
        (GIVEN | {"a_gap": {"applies": True, "field": "news"}}, "checks.a_gap.field is 'news', which was not shown"),
        (GIVEN | {"a_gap": {"applies": True}}, "checks.a_gap.field is missing"),
        (GIVEN | {"a_gap": {"applies": "perhaps", "field": "trend"}}, 'checks.a_gap.applies is "perhaps"'),
    ],
    ids=["none", "one left out", "one too many", "not shown", "nothing named", "no yes or no"],
)
def test_an_answer_that_leaves_an_item_out_is_repaired_once_and_then_an_abstention(checks, problem):
    broken = PLAIN if checks is None else PLAIN | {"checks": checks}
    client, decision = decide([broken, PLAIN | {"checks": GIVEN}])
    assert decision.status is Status.REPAIRED
    assert decision.advice.checks == FOUND
    field, words = problem.split(maxsplit=1)
    assert f"{field}: {words}" in client.requests[1].messages[-1].content
    _, failed = decide([broken, broken])
    assert failed.abstention.reason is AbstentionReason.INVALID
    assert f"{field}: {words}" in failed.abstention.detail


def test_what_nobody_asked_breaks_the_contract():
    client = ScriptedClient([PLAIN | {"checks": GIVEN}] * 2)
    decision = ModelAdvisor(client, options=PromptOptions("json", "none")).decide(SNAPSHOT)
    assert decision.abstention.reason is AbstentionReason.INVALID


@pytest.mark.parametrize("mode", ["json", "slots", "choices"])
def test_without_items_a_request_is_what_it_was(mode):
    client = ScriptedClient([], supports_choices=True)
    plain, empty, asked = (
        ModelAdvisor(client, options=PromptOptions(mode, "none", **more)).request(SNAPSHOT)
        for more in ({}, {"checks": ()}, {"checks": ITEMS})
    )
    assert request_hash(plain, client.identity) == request_hash(empty, client.identity)
    assert (plain == asked) is (mode == "choices")  # there each item is a request of its own


def test_a_journal_keeps_the_answers():
    _, decision = decide([PLAIN | {"checks": GIVEN}])
    line = write_decision(Entry(7, decision, Verdict(Intent.NONE)))
    read = read_decision(line)
    assert read.decision.advice.checks == FOUND
    assert write_decision(read) == line
    assert advice_from_document(advice_to_document(decision.advice)) == decision.advice


def test_in_ones_own_cerebro_the_items_of_the_limits_are_asked():
    def answer(request):
        above = "above" in request.messages[-1].content
        label, action = ("bull", "enter_long") if above else ("bear", "exit")
        told = {"label": label, "action": action, "action_confidence": "70", "rationale": "Calm."}
        return told | {"crowded applies": "yes" if above else "no", "crowded field": "trend"}

    ask = {"items": {"crowded": {"ask": "Does the market look overextended?", "do": "block"}}}
    advisor = ModelAdvisor(ScriptedClient(answer), record=False)
    entries, *_ = run(own_cerebro(), advisor=advisor, limits=Limits(checklist=read_checklist(ask)), tell=False)
    said = [entry.decision.advice.checks[0].applies for entry in entries]
    assert {True, False} <= set(said)
    blocked = [any(cut.limit == "checklist.crowded" for cut in entry.verdict.clamps) for entry in entries]
    assert any(blocked)
    assert all(yes for yes, stopped in zip(said, blocked, strict=True) if stopped)
    assert not any(yes and entry.verdict.size for yes, entry in zip(said, entries, strict=True))
    assert advisor.options.checks == ()  # the person's own is left as it was


def test_an_own_prompt_says_where_the_checklist_stands():
    prompt = PromptText("{{ features }}\n{{ checklist }}\n{{ form }}", system="Advise.")
    client, decision = decide([PLAIN | {"checks": GIVEN}], prompt=prompt)
    assert decision.advice.checks == FOUND
    asked = client.requests[0].messages[-1].content
    assert "- crowded: Does the market look overextended?" in asked
    assert 'key "checks"' in asked
    with pytest.raises(ConfigurationError, match=r"never shows \{\{ checklist \}\}"):
        decide([], prompt=PromptText("{{ features }} {{ form }}"))
    with pytest.raises(ConfigurationError, match="no item that is asked of the model"):
        ModelAdvisor(client, options=PromptOptions("json", "none", prompt=prompt))
