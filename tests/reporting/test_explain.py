"""The explanation: what a model writes or chooses and facts back, the program's for the rest, adverse facts always."""

import json
import re

import pytest
from explained_facts import made_facts
from explaining_author import BAD, badly, facts_in, sentence, well
from misbehaving_server import answer, by_turns, serving

from llm_strategy.errors import AnswerTimeout, ModelNotLoaded
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import MemoryStore
from llm_strategy.llm.requests import Message, Request, request_hash
from llm_strategy.llm.settings import LlmSettings
from simulator.hypotheses.statement import Hypothesis
from simulator.reporting.explanation.explain import FORM, PATIENCE, explain, judge_again
from simulator.reporting.explanation.next_tests import MENU
from simulator.reporting.explanation.parts import parts
from simulator.reporting.explanation.written import question

pytestmark = pytest.mark.slow

FACTS = made_facts()
PARTS = parts(FACTS)
NAMES = ["What happened", "Against what", "Why it cannot be more than that", "Where it lost", "What the gate did",
         "What one would test next"]  # fmt: skip


def writer(script):
    """A model behind a server: it writes, and neither scores nor fills forms."""
    return ScriptedClient(script, supports_forms=False)


def scorer(likes):
    """An embedded model: of each list it finds that likeliest which ``likes`` says."""

    def answer(request):
        favourite = likes([choice.strip(" ;") for choice in request.choices])
        return {choice: 0.9 if choice.strip(" ;") == favourite else 0.01 for choice in request.choices}

    return ScriptedClient(answer, supports_choices=True)


def sentences(explanation):
    return [each for paragraph in explanation.paragraphs for each in paragraph.sentences]


def numbers(text):
    return {number.rstrip(".,") for number in re.findall(r"-?\d[\d,.]*%?", text)}


def assert_only_facts_give_numbers(explanation):
    for each in sentences(explanation):
        assert not re.search(r"\d", re.sub(r"\{[^{}]+\}", "", each.template)), each
        texts = set().union(*(numbers(FACTS[name].text) for name in each.facts))
        assert numbers(each.text) <= texts, each


def assert_adverse_facts_are_told(explanation):
    for part, paragraph in zip(PARTS, explanation.paragraphs, strict=True):
        told = {name for each in paragraph.sentences for name in each.facts}
        adverse = [item for item in part.items if item.adverse]
        assert part.states or adverse
        assert all(told.issuperset(item.facts) for item in adverse)
        fixed = [item.template for item in adverse if not item.facts]
        assert set(fixed) <= {each.template for each in paragraph.sentences}


AUTHORS = {
    "writes well": lambda: writer(well),
    "writes badly": lambda: writer(badly),
    "mute": lambda: writer(lambda request: ""),
    "no JSON": lambda: writer(lambda request: "The return was 55.5%, and it will double."),
    "nothing to say": lambda: writer(lambda request: '{"sentences": [], "hypotheses": []}'),
    "other form": lambda: writer(lambda request: '{"sentences": [3, {"text": 4}, {"text": "a", "claims": "b"}]}'),
    "chooses the first": lambda: scorer(lambda texts: texts[0]),
    "chooses the last": lambda: scorer(lambda texts: texts[-1]),
    "fills forms": lambda: ScriptedClient(
        lambda request: {part.name: part.choices[0] for part in request.form if not isinstance(part, str)}
    ),
    "fails": lambda: writer(lambda request: AnswerTimeout("late")),
    "none": lambda: None,
}


@pytest.mark.parametrize("author", AUTHORS)
def test_whoever_explains_no_number_is_wrong_and_no_adverse_fact_is_missing(author):
    explanation = explain(FACTS, AUTHORS[author]())
    assert [paragraph.topic for paragraph in explanation.paragraphs] == NAMES
    assert_only_facts_give_numbers(explanation)
    assert_adverse_facts_are_told(explanation)
    assert explanation.counts["written_by_model"] == explanation.counts["shown"] + explanation.counts["refused"]


@pytest.fixture(scope="module")
def written():
    return explain(FACTS, writer(well))


def test_a_large_model_that_keeps_to_the_facts_writes_the_text(written):
    assert written.counts["shown"] >= 10
    assert written.counts["asked_again"] == 0
    own = [each for each in sentences(written) if each.source == "model"]
    assert {paragraph.manner for paragraph in written.paragraphs if paragraph.topic in NAMES[:4]} == {"written"}
    assert any("{llm.sharpe}" in each.template and FACTS["llm.sharpe"].text in each.text for each in own)


@pytest.mark.server
def test_a_model_behind_a_server_that_keeps_to_schemas_writes_too(written):
    def behave(turn, body):
        return answer(well(Request(tuple(Message(each["role"], each["content"]) for each in body["messages"]))))

    known = {"answer_format": "json_schema", "reported_model": "tiny-model"}
    with serving(by_turns(behave)) as server:
        settings = LlmSettings(backend="openai", base_url=server.url, model="tiny-model", sections={"openai": known})
        with get_llm_client(settings=settings) as client:
            explanation = explain(FACTS, client)
    assert explanation.paragraphs == written.paragraphs


def test_what_a_bad_model_writes_is_asked_once_more_then_left_out_and_counted():
    client = writer(badly)
    explanation = explain(FACTS, client)
    first = explanation.paragraphs[0]
    assert "These were left out" in client.requests[1].messages[-1].content
    assert all(text in client.requests[1].messages[-1].content for text in BAD[:3])
    assert first.asked_again == len(BAD)
    assert {told.text for told in first.refused} >= {text for text in BAD if "script" not in text}
    assert {each.source for each in sentences(explanation)} == {"program"}
    assert not any("left out" in each.text for each in sentences(explanation)), "no filler"
    shown = explanation.as_json()
    assert "\x1b" not in shown


def test_a_sentence_that_is_mended_when_asked_again_is_shown():
    def answer(request):
        if "left out" in request.messages[-1].content:
            return json.dumps({"sentences": [sentence("llm had a Sharpe ratio of {llm.sharpe}")]})
        return json.dumps({"sentences": [sentence("llm had a Sharpe ratio of 1.23")]})

    first = explain(FACTS, writer(answer)).paragraphs[0]
    assert first.sentences[0].text == f"llm had a Sharpe ratio of {FACTS['llm.sharpe'].text}."
    assert (first.asked_again, first.refused) == (1, ())


def test_a_model_of_which_no_sentence_stands_chooses_and_is_soon_asked_to_write_no_more():
    def answer(request):
        schema = json.loads(request.json_schema)["properties"]
        if schema.keys() & {"sentences", "hypotheses"}:
            return badly(request)
        ((key, allowed),) = schema.items()
        return json.dumps({key: allowed["enum"][0]})

    client = writer(answer)
    explanation = explain(FACTS, client)
    manners = {paragraph.topic: paragraph.manner for paragraph in explanation.paragraphs}
    assert manners == {**dict.fromkeys(NAMES, "chosen"), "What the gate did": "program"}, "one figure is no choice"
    assert sum('"sentences"' in request.json_schema for request in client.requests) == 2 * PATIENCE
    assert explanation.counts["shown"] >= 6


def test_a_relation_that_does_not_hold_is_chosen_again_and_a_sentence_of_the_program_words_it():
    one, two = FACTS["llm.sharpe"], FACTS["buy_and_hold.sharpe"]
    wrong, right = "higher than", "lower than"
    if one.value > two.value:
        wrong, right = right, wrong

    def likes(texts):
        wanted = (wrong, right, "annual sharpe ratio", "buy_and_hold")
        return next((text for text in wanted if text in texts), texts[-1])

    explanation = explain(FACTS, scorer(likes))
    against = explanation.paragraphs[1]
    told = next(each for each in against.sentences if each.source == "model")
    assert right in told.text
    assert wrong not in told.text
    assert set(told.facts) == {one.id, two.id}
    assert explanation.counts["asked_again"] >= 1


def test_the_program_groups_what_is_said_of_one_figure():
    against = explain(FACTS, None).paragraphs[1]
    told = next(each for each in against.sentences if "llm.sharpe" in each.facts)
    assert len(told.facts) == 4
    assert " and " in told.text


def test_without_a_model_the_program_tells_all_and_says_so():
    explanation = explain(FACTS, None)
    assert {each.source for each in sentences(explanation)} == {"program"}
    assert "No model was asked" in explanation.paragraphs[0].sentences[0].text
    assert explanation.counts == {"written_by_model": 0, "shown": 0, "refused": 0, "asked_again": 0}
    assert any("dead" in each.text for each in sentences(explanation))


def test_a_failing_model_is_told_and_the_next_part_still_asked():
    answers = iter([ModelNotLoaded("no"), AnswerTimeout("late")])
    explanation = explain(FACTS, writer(lambda request: next(answers, None) or well(request)))
    assert "ModelNotLoaded" in explanation.paragraphs[0].sentences[0].text
    assert "AnswerTimeout" in explanation.paragraphs[1].sentences[0].text
    assert explanation.paragraphs[2].sentences[0].source == "model"


def test_what_to_test_next_is_a_statement_that_the_register_takes(written):
    stated = written.paragraphs[-1].statements
    assert [Hypothesis.from_document(each, "a statement").horizon for each in stated] == [60]
    for author in ("writes badly", "none", "chooses the last"):
        made = explain(FACTS, AUTHORS[author]()).paragraphs[-1].statements
        assert made
        assert all(Hypothesis.from_document(each, "a statement") in MENU.values() for each in made)


def test_the_written_form_is_that_of_the_run_folder():
    client = writer(well)
    explanation = explain(FACTS, client)
    document = json.loads(explanation.as_json())
    assert document["form"] == FORM
    assert set(document["paragraphs"][0]["sentences"][0]) == {"text", "source", "facts", "template"}
    assert document["requests"].keys() == {request_hash(asked, client.identity) for asked in client.requests}


@pytest.mark.parametrize("author", ["writes well", "writes badly", "other form", "chooses the first", "fails", "none"])
def test_an_explanation_is_judged_again_from_its_record(author):
    client = AUTHORS[author]()
    first = explain(FACTS, client)
    known = None if client is None else client.identity.as_dict()
    manifest = {"model": known, "experiment": {"output": {"explain": True}}}
    assert judge_again(json.loads(first.as_json()), FACTS, manifest) == json.loads(first.as_json())


def test_a_recorded_explanation_replays_byte_for_byte_without_the_model():
    store, model = MemoryStore(), writer(well)
    first = explain(FACTS, RecordingClient(model, model.identity, store))
    replayed = explain(FACTS, RecordingClient(None, model.identity, store, mode="replay"))
    assert replayed.as_json() == first.as_json()


def test_an_explanation_of_an_earlier_form_is_said_to_be_one_and_told_by_the_program():
    earlier = {"paragraphs": [], "counts": {"written_by_model": 1, "shown": 1, "refused": 0}, "requests": {"a": "b"}}
    manifest = {"model": writer(well).identity.as_dict(), "experiment": {"output": {"explain": True}}}
    again = judge_again(earlier, FACTS, manifest)
    assert "of an earlier form and is not shown" in again["paragraphs"][0]["sentences"][0]["text"]
    assert again["counts"]["shown"] == 0
    assert again["form"] == FORM
    assert judge_again(again, FACTS, manifest) == again


@pytest.mark.parametrize("left", [("llm",), ("sma_cross", "momentum"), ()], ids=["alone", "rules", "none"])
def test_fewer_arms_give_less_to_tell(left):
    facts = {name: fact for name, fact in FACTS.items() if fact.subject in (*left, "model")}
    explanation = explain(facts, None)
    assert bool(explanation.paragraphs) == bool(left)
    assert all(name in facts for each in sentences(explanation) for name in each.facts)


def test_a_request_is_short_and_shows_only_facts_that_say_something():
    client = writer(well)
    for part in PARTS[:-1]:
        request = question(part, client)
        assert sum(len(message.content) for message in request.messages) < 6_000
        assert set(facts_in(request)) <= set(part.facts)
        assert "n/a" not in request.messages[-1].content


def test_the_embedded_model_chooses_what_is_told(model_path, threads):
    facts = {name: fact for name, fact in FACTS.items() if fact.subject not in ("sma_cross", "momentum")}
    settings = LlmSettings(backend="llama_cpp", instruct_model_path=model_path, threads=threads, timeout_s=120)
    with get_llm_client(run_id="explanation", settings=settings) as client:
        recording = RecordingClient(client, client.identity, MemoryStore())
        explanation = explain(facts, recording)
    print(f"\nembedded model: {explanation.counts} in {recording.usage.seconds:.0f} s")
    assert explanation.counts["shown"] >= 5
    assert {paragraph.manner for paragraph in explanation.paragraphs} <= {"chosen", "program"}
    assert recording.usage.tokens_in <= 600 * recording.usage.asked
