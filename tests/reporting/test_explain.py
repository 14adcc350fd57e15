"""The explanation: the model's sentences that facts back, the program's for the rest, and adverse facts always."""

import json
import re

import pytest
from explained_facts import made_facts

from llm_strategy.errors import AnswerTimeout, ModelNotLoaded
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import MemoryStore
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.settings import LlmSettings
from simulator.reporting.explanation.explain import explain, question
from simulator.reporting.explanation.judge import Judge
from simulator.reporting.explanation.topics import topics

pytestmark = pytest.mark.slow

FACTS = made_facts()
FIRST = topics(FACTS)[0]


def _sentences(explanation):
    return [sentence for paragraph in explanation.paragraphs for sentence in paragraph.sentences]


def _numbers(text):
    return {number.rstrip(".,") for number in re.findall(r"-?\d[\d,.]*%?", text)}


def _adverse_facts():
    return [plain.facts for topic in topics(FACTS) for plain in topic.sentences if plain.adverse]


def test_a_true_sentence_is_shown_and_a_false_one_replaced():
    sharpe = FACTS["llm.sharpe"].text
    said = f"The Sharpe ratio of llm is {sharpe}.\nThe Sharpe ratio of llm rose because of skill."
    explanation = explain(FACTS, ScriptedClient(lambda request: said))
    shown, replaced = explanation.paragraphs[0].sentences[:2]
    assert (shown.text, shown.source, shown.facts) == (
        f"The Sharpe ratio of llm is {sharpe}.",
        "model",
        ("llm.sharpe",),
    )
    assert replaced.source == "program"
    assert replaced.text == FIRST.sentences[0].text
    assert replaced.refused.text == "The Sharpe ratio of llm rose because of skill."
    assert "direction" in replaced.refused.why


def test_only_facts_give_numbers_whatever_the_model_says():
    said = "Sharpe 9.99 and 12 of 7 trades. **llm** made 1e9! 3/4 of bars\n- The total return is 55.5%"
    for sentence in _sentences(explain(FACTS, ScriptedClient(lambda request: said))):
        texts = set().union(*(_numbers(FACTS[name].text) for name in sentence.facts))
        assert _numbers(sentence.text) <= texts, sentence


@pytest.mark.parametrize(
    "said",
    ["", "All went well.", f"The Sharpe ratio of llm is {FACTS['llm.sharpe'].text}."],
    ids=["mute", "empty", "true"],
)
def test_adverse_facts_are_told_whatever_the_model_says(said):
    sentences = _sentences(explain(FACTS, ScriptedClient(lambda request: said)))
    told = [set(sentence.facts) for sentence in sentences]
    assert _adverse_facts()
    assert all(any(facts.issuperset(adverse) for facts in told) for adverse in _adverse_facts())
    assert any("is dead" in sentence.text for sentence in sentences)


def test_repetition_shows_once():
    said = f"The Sharpe ratio of llm is {FACTS['llm.sharpe'].text}.\n" * 4
    explanation = explain(FACTS, ScriptedClient(lambda request: said))
    assert [sentence.source for sentence in explanation.paragraphs[0].sentences].count("model") == 1
    assert "told before" in explanation.paragraphs[0].sentences[1].refused.why


def test_without_a_model_the_program_tells_all_and_says_so():
    explanation = explain(FACTS, None)
    assert {sentence.source for sentence in _sentences(explanation)} == {"program"}
    assert "No model was asked" in explanation.paragraphs[0].sentences[0].text
    assert explanation.counts == {"written_by_model": 0, "shown": 0, "refused": 0}
    shown = {sentence.text for sentence in _sentences(explanation)}
    assert {plain.text for topic in topics(FACTS) for plain in topic.sentences} <= shown


def test_a_failing_model_is_told_and_the_next_topic_still_asked():
    answers = [ModelNotLoaded("no"), AnswerTimeout("late"), *["nothing"] * 20]
    explanation = explain(FACTS, ScriptedClient(answers))
    assert "ModelNotLoaded" in explanation.paragraphs[0].sentences[0].text
    assert "AnswerTimeout" in explanation.paragraphs[1].sentences[0].text
    assert explanation.paragraphs[2].sentences[0].refused.text == "nothing"
    assert explanation.counts["written_by_model"] == len(topics(FACTS)) - 2


def test_the_written_form_is_that_of_the_run_folder():
    client = ScriptedClient(lambda request: "Nothing true.")
    explanation = explain(FACTS, client)
    written = json.loads(explanation.as_json())
    assert set(written) == {"paragraphs", "counts", "requests"}
    sentence = written["paragraphs"][0]["sentences"][0]
    assert set(sentence) == {"text", "source", "facts", "refused"}
    assert set(sentence["refused"]) == {"text", "why"}
    assert written["counts"]["refused"] == len(topics(FACTS)) == len(written["paragraphs"])
    assert written["requests"] == {request_hash(asked, client.identity): "Nothing true." for asked in client.requests}


def test_a_recorded_explanation_replays_byte_for_byte_without_the_model():
    store, model = MemoryStore(), ScriptedClient(lambda request: "llm has a lower Sharpe ratio than momentum.")
    first = explain(FACTS, RecordingClient(model, model.identity, store))
    replayed = explain(FACTS, RecordingClient(None, model.identity, store, mode="replay"))
    assert replayed.as_json() == first.as_json()


def test_plain_sentences_are_held_to_the_same_rule():
    """Those that tell a doubt in words of their own aside, the checker accepts what the program says."""
    for topic in topics(FACTS)[:-1]:
        judge = Judge(topic.facts, FACTS)
        for plain in topic.sentences:
            if not plain.text.startswith("Better than"):
                assert judge.judge(plain.text).refusal == "", plain.text


@pytest.mark.parametrize(
    ("left", "paragraphs"), [(("llm",), 4), (("sma_cross", "momentum"), 5), ((), 0)], ids=["alone", "rules", "none"]
)
def test_fewer_arms_give_fewer_topics(left, paragraphs):
    facts = {name: fact for name, fact in FACTS.items() if fact.subject in (*left, "model")}
    explanation = explain(facts, None)
    assert len(explanation.paragraphs) == paragraphs
    assert all(name in facts for sentence in _sentences(explanation) for name in sentence.facts)


def test_a_request_is_short():
    for topic in topics(FACTS):
        assert sum(len(message.content) for message in question(topic).messages) < 2_000


def test_the_embedded_model_writes_sentences_that_stand(model_path, threads):
    facts = {name: fact for name, fact in FACTS.items() if fact.subject not in ("sma_cross", "momentum")}
    settings = LlmSettings(backend="local_llama", instruct_model_path=model_path, threads=threads)
    with get_llm_client(run_id="explanation", settings=settings) as client:
        recording = RecordingClient(client, client.identity, MemoryStore())
        explanation = explain(facts, recording)
    print(f"\nembedded model: {explanation.counts} in {recording.usage.seconds:.0f} s")
    assert explanation.counts["written_by_model"] >= recording.usage.asked == len(explanation.paragraphs)
    assert explanation.counts["shown"] >= 1
    assert recording.usage.tokens_in <= 600 * recording.usage.asked
