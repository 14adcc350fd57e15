"""Whether advice is a copy of its prompt: counted, shown, and held against an arm that copies without a model."""

import json

import pytest
from small_run import reader, recording, small

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.evaluation.copying import SKIPPED, copy_of
from simulator.evaluation.mask import mask_of
from simulator.experiment import COPY_ARM
from simulator.reporting.page import build_facts, render
from simulator.runs.replaying import replay

SLOTS = {"mode": "slots", "examples": {"nearest": 2}, "rationale": "never"}


def copier(request):
    """A model that repeats the last example of its prompt, confidence included."""
    shown = [message.content for message in request.messages if message.role == "assistant"]
    told = json.loads(shown[-1][: shown[-1].index("}}") + 2] if "rationale" not in shown[-1] else shown[-1])
    action = told["action"]
    return {
        "label": told["regime"]["label"],
        "action": action["type"],
        "action_confidence": f"{round(100 * action['confidence'])}",
        "rationale": "As before.",
    }


def own_copier(request):
    """The same in an experiment with labels of one's own; without an example it exits."""
    if any(message.role == "assistant" for message in request.messages):
        return copier(request)
    return {"label": "down", "action": "exit", "action_confidence": "50", "rationale": "So it is."}


def experiment(tmp_path, arms=("llm", "buy_and_hold"), regimes=None, **advisor):
    output = {"folder": str(tmp_path), "explain": False}
    evaluation = {"bootstrap_samples": 200, "placebos": 0}
    return small(
        tmp_path,
        advisor=SLOTS | advisor,
        arms=list(arms),
        output=output,
        evaluation=evaluation,
        regimes=regimes,
    )


def compared(tmp_path, script=copier, **settings):
    return simulator.compare(experiment(tmp_path, **settings), client=recording(script)[0], progress=False)


def alone(tmp_path, script=copier, **settings):
    """The advised arm without any other, which is quicker."""
    return simulator.run(experiment(tmp_path, **settings), client=recording(script)[0], progress=False)


_PAGES = {}


def page(record):
    """The Markdown of a record, made once for all tests that read it."""
    if record.folder not in _PAGES:
        _PAGES[record.folder] = render(record, build_facts(record), None).markdown
    return _PAGES[record.folder]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("copied"))


def test_a_model_that_repeats_the_nearest_example_is_told_so(copied):
    shares = copy_of(copied.record.arm("llm"))
    assert (shares.nearest_share, shares.confidence_share) == (1.0, 1.0)
    assert (shares.examples, shares.labels, shares.in_prompt, shares.repeats) == ("nearest", "rule", True, True)
    assert 0.5 < shares.state_share < 1.0
    facts = copied.facts
    assert facts["llm.copy.nearest_share"].text == facts["llm.copy.confidence_share"].text == "100.0%"
    assert facts["llm.copy.verdict"].value == "repeats its prompt"
    told = page(copied.record)
    assert "On 100.0% of its decisions the model gave the label of the nearest example in its prompt" in told
    assert "it was copied, and says nothing of how sure the model is" in told


def test_copying_without_a_model_comes_by_itself_and_trades_as_the_copy_does(copied):
    assert [arm.name for arm in copied.record.arms] == ["llm", "buy_and_hold", "market", COPY_ARM]
    llm, copy = (copied.record.arm(name) for name in ("llm", COPY_ARM))
    assert copy.manifest["model"] is None
    assert copy_of(copy) is None
    assert llm.equity.equals(copy.equity)
    for made, again in zip(llm.entries, copy.entries, strict=True):
        one, other = made.decision.advice, again.decision.advice
        assert (one.regime.label, one.action.type) == (other.regime.label, other.action.type)
    assert f"The arm {COPY_ARM} gives the answer of the nearest example without a model" in page(copied.record)


def test_a_replay_writes_the_same_bytes_with_the_arm_that_copies(copied):
    checks = replay(copied.folder)
    assert all(check.same for check in checks)
    assert f"{COPY_ARM}/decisions.jsonl" in [check.name for check in checks]


def test_a_model_that_reads_is_not_told_to_copy(tmp_path):
    result = alone(tmp_path, reader)
    shares = copy_of(result.record.arm("llm"))
    assert shares.nearest_share < 0.95
    assert not shares.repeats
    assert shares.confidence_share == 0.0, "it says 0.70, and the examples 0.66"
    assert result.facts["llm.copy.verdict"].value == "differs from its prompt"
    assert "That is a copy" not in page(result.record)


def test_without_examples_there_is_nothing_to_copy(tmp_path):
    result = alone(tmp_path, reader, examples="none")
    shares = copy_of(result.record.arm("llm"))
    assert (shares.examples, shares.with_example, shares.in_prompt, shares.nearest_share) == ("none", 0, False, None)
    told = page(result.record)
    assert "No example with an answer stood in its prompt, so that there was nothing to copy." in told
    assert "whose answers it was not shown" in told


def test_fixed_examples_can_be_copied_and_are_the_rules(tmp_path):
    result = alone(tmp_path, examples="fixed", rationale="always")
    shares = copy_of(result.record.arm("llm"))
    assert (shares.examples, shares.labels, shares.in_prompt) == ("fixed", "rule", True)
    assert shares.with_example == shares.decisions > 0
    assert shares.confidence_share == 1.0


def test_labels_that_say_nothing_are_copied_and_the_rules_answers_did_not_stand_there(tmp_path):
    result = alone(tmp_path, labels="shuffled")
    shares = copy_of(result.record.arm("llm"))
    assert (shares.nearest_share, shares.in_prompt, shares.labels) == (1.0, False, "shuffled")
    assert "their labels were exchanged among them, so that they say nothing" in page(result.record)


def test_where_bars_are_passed_over_it_is_not_known_and_the_copy_follows_the_schedule(tmp_path):
    result = compared(tmp_path, arms=("llm",), decide_every=5, labels="shuffled")
    shares = copy_of(result.record.arm("llm"))
    assert (shares.unknown, shares.nearest_share) == (SKIPPED, None)
    assert "is not known: the model was not asked at every bar" in page(result.record)
    assert result.record.arm("llm").equity.equals(result.record.arm(COPY_ARM).equity)


def test_an_arm_that_copies_runs_alone_and_is_refused_where_there_is_nothing_to_copy(tmp_path):
    result = simulator.run(experiment(tmp_path), COPY_ARM, progress=False)
    assert [arm.name for arm in result.record.arms] == [COPY_ARM]
    with pytest.raises(ConfigurationError, match="shows no past states whose answers could be copied: set"):
        compared(tmp_path, reader, arms=("llm", COPY_ARM), examples="none")


def test_words_hide_the_bar_and_numbers_name_it(tmp_path, copied):
    words = mask_of(copied.record.arm("llm"))
    numbered = alone(tmp_path, reader, examples="none", style="numbers", decimals=2)
    numbers = mask_of(numbered.record.arm("llm"))
    assert words.shown == numbers.shown == ()
    assert words.recognisable < 0.3 < 0.9 < numbers.recognisable
    assert "it may still recognise a famous episode by its shape" in page(copied.record)
    told = page(numbered.record)
    assert f"{numbered.facts['llm.mask.recognisable'].text} of the texts stand at one close" in told
    assert "its text names the bar" in told


def test_a_rationale_of_the_program_is_no_coherence_of_the_model(tmp_path, copied):
    assert copied.facts["llm.coherent_share"].text == "n/a"
    assert "Its rationales are the program's" in page(copied.record)
    wrote = alone(tmp_path, reader, examples="none", rationale="always")
    assert wrote.facts["llm.coherent_share"].text == "100.0%"
    assert "Label, action and rationale agree in 100.0% of the advice." in page(wrote.record)


def test_the_settings_stand_on_the_page_as_they_came_out(copied):
    told = page(copied.record)
    assert "| Examples | 2 nearest |" in told
    assert "| Labels of the examples | rule |" in told
    assert "| Decides | at every bar |" in told


def test_labels_of_ones_own_are_copied_and_said_to_be_of_bars_of_the_run(tmp_path):
    times = [row["time"] for row in alone(tmp_path / "times", reader, examples="none").record.arms[0].decisions]
    rows = [[time, ("up", "down")[at % 3 == 0], ""] for at, time in enumerate(times)]
    regimes = {
        "up": {"meaning": "Prices rise.", "actions": ["enter_long", "hold"]},
        "down": {"meaning": "Prices fall.", "actions": ["exit", "hold"]},
    }
    wanted = experiment(tmp_path, arms=("llm",), examples={"nearest": 1}, labels={"rows": rows}, regimes=regimes)
    result = simulator.compare(wanted, client=recording(own_copier)[0], progress=False)
    shares = copy_of(result.record.arm("llm"))
    assert (shares.nearest_share, shares.labels, shares.rule_share) == (1.0, "own", None)
    assert shares.with_example == shares.decisions - 1, "before the first state there is nothing to copy"
    assert set(result.record.arm(COPY_ARM).regimes) == {"up", "down"}
    assert (result.facts["llm.label_bars"].value, result.facts["llm.later_bars"].value) == ("from later bars", "yes")
    assert "The labels of the examples of llm were made from later bars than the first decision" in page(result.record)
