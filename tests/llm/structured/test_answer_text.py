"""What models write around the JSON of an answer is taken off and named; an object is never guessed, and no text is
slow to read."""

import json
import random
import time

import pytest

from llm_strategy.advice.contract import parse_answer
from llm_strategy.errors import ContractError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import EventKind

GOOD = {
    "regime": {"label": "bull", "confidence": 0.7},
    "rationale": 'Rising {far} above the "long" average.',
    "action": {"type": "enter_long", "confidence": 0.6},
}
TEXT = json.dumps(GOOD)
OTHER = json.dumps(GOOD | {"rationale": "Falling.", "action": {"type": "exit", "confidence": 0.5}})
SECONDS = 0.5
"""An answer is read in less, by far."""


def parse(text, repairs="strict"):
    return parse_answer(text, symbol="ABC", timeframe="1d", repairs=repairs)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"<think>\nUp {{maybe}}.\n</think>\n\n{TEXT}", ["think block"]),
        (f"<thinking>First {OTHER}, then not.</thinking>{TEXT}", ["think block"]),
        (f'<reasoning effort="low">Up.</reasoning>\n```json\n{TEXT}\n```', ["think block", "code fence"]),
        (f"Up, as {OTHER} would not say.\n</think>\n{TEXT}", ["think block"]),
        (f"{TEXT}\n<think>Was that right? {OTHER}", ["think block"]),
        (f"<think>a</think>b<think>c</think>{TEXT}", ["think block", "text before"]),
        (f"<think>I close <think> with </think></think>{TEXT}", ["think block"]),
        (f"[THINK]Up.[/THINK]{TEXT}</s>", ["think block", "end token"]),
        (f"◁think▷Up.◁/think▷{TEXT}", ["think block"]),
        (f"<seed:think>Up.</seed:think>{TEXT}", ["think block"]),
        (
            f"<|channel|>analysis<|message|>Up, {OTHER}<|end|><|start|>assistant"
            f"<|channel|>final<|message|>{TEXT}<|return|>",
            ["harmony channel", "end token"],
        ),
        (f"<|channel|>final <|constrain|>json<|message|>{TEXT}", ["harmony channel"]),
        (f"analysisThe trend is up.assistantfinal{TEXT}", ["harmony channel"]),
        (f"Here it is:\n{TEXT}\nAsk me more!", ["text before", "text behind"]),
        (f"{TEXT} ok", ["text behind"]),
        (f"Sure!\n```json\n{TEXT}\n```\n", ["text before", "code fence"]),
        (f"{TEXT}\n```", ["code fence"]),
        (f"{TEXT}<|im_end|>", ["end token"]),
        (f"{TEXT}<|eot_id|>\n<|endoftext|>", ["end token"]),
        (f"{TEXT}</s>\x00\x00", ["end token"]),
        (f"<start_of_turn>model\n{TEXT}<end_of_turn>", ["start token", "role word", "end token"]),
        (f"assistant\n\n{TEXT}", ["role word"]),
        (f"**Assistant:** {TEXT}", ["role word"]),
        (f"\ufeff```\n{TEXT}\n```", ["byte order mark", "code fence"]),
        (f"\n {TEXT}\t\n", []),
    ],
)
def test_what_stands_around_the_object_is_taken_off_and_named(text, kinds):
    advice, repairs = parse(text)
    assert advice.rationale == GOOD["rationale"]
    assert list(repairs) == kinds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{TEXT}{OTHER}", "holds 2 JSON objects, and which of them is meant is not guessed"),
        (f"{TEXT}\n{TEXT}", "holds 2 JSON objects"),
        (f"First {OTHER}, <think>no,</think> then {TEXT}", "holds 2 JSON objects"),
        (f"{{}}{TEXT}", "holds 2 JSON objects"),
        (f"{{{TEXT}}} or {OTHER}", "holds a JSON object and a broken one"),
        (f"{TEXT}\n{OTHER[:40]}", "holds a JSON object and a broken one"),
        (f"<think>{TEXT}", "holds thoughts and no JSON object behind them: raise LLM_MAX_TOKENS"),
        (f"<think>{TEXT}</think>", "holds thoughts and no JSON object"),
        (f"<|channel|>analysis<|message|>{TEXT}", "holds thoughts and no JSON object"),
        (f"[{TEXT}]", "is not a JSON object"),
        (f"The answers: [{TEXT}]", "is not JSON"),
        (f"<think>Up.</think>{TEXT[:-5]}", "is not JSON"),
        ("<think>Up.</think>Buy.", "is not JSON"),
        (str(GOOD), "is not JSON"),
        ("x" * 20_001, "has 20001 characters"),
        (f"<think>Up.</think>{'x' * 20_001}", "has 20001 characters"),
    ],
)
def test_nothing_is_guessed(text, words):
    with pytest.raises(ContractError) as caught:
        parse(text)
    assert words in str(caught.value)


def test_thoughts_do_not_count_to_the_length_of_an_answer():
    assert parse(f"<think>{'Up. ' * 30_000}</think>{TEXT}").repairs == ("think block",)


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        "```",
        "```json\n",
        "{",
        '{"a":',
        '"{',
        "<think",
        "<think>",
        "</think>",
        "<|",
        "<|channel|>",
        "[",
        "\\",
        "} {",
    ],
)
@pytest.mark.parametrize("first", ["", "```", "{", "<think>"])
def test_no_answer_takes_long_to_read(piece, first):
    text = (first + piece * 20_000)[:20_000]
    taken = []
    for _ in range(3):  # what else this process has to clear away is no time of the reader
        begin = time.process_time()
        with pytest.raises(ContractError):
            parse(text)
        taken.append(time.process_time() - begin)
    assert min(taken) < 4 * SECONDS


WORDS = [
    *("Sure.", "{maybe}", "Up {", "}", '"quoted', "it's", "[1]", "```", "```json\n", "\n", "assistant\n", "market"),
    *("<|im_end|>", "</s>", "<|eot_id|>", "\ufeff", "{}", "\\", "\x00", "\ud800", OTHER[:40], OTHER),
    *("<think>Up.</think>", "Up.</think>", "<think>", "<think>{}</think>", f"<think>{OTHER}</think>"),
    *("<reasoning>", "</reasoning>", "<|channel|>final<|message|>", "<|channel|>analysis<|message|>"),
]


def test_of_2000_wrapped_answers_each_is_found_or_invalid_and_never_another():
    drawn = random.Random(7)
    found = 0
    for _ in range(2000):
        before, behind = (drawn.choices(WORDS, k=drawn.randint(0, 4)) for _ in range(2))
        text = drawn.choice(["", " ", "\n"]).join([*before, TEXT, *behind])
        outside = [word for word in (*before, *behind) if word == OTHER]
        begin = time.process_time()
        try:
            advice = parse(text).advice
        except ContractError:
            advice = None
        assert time.process_time() - begin < SECONDS
        if advice is not None and advice.rationale != GOOD["rationale"]:
            # The right one stands in thoughts then, and the other one outside of them.
            assert outside
            assert any("think" in word or "reason" in word or "channel" in word for word in (*before, *behind))
        found += advice is not None
    assert found > 400


@pytest.mark.parametrize(
    ("answer", "text", "kinds"),
    [
        ('<think>Hm.</think>{"a": 1}', '{"a": 1}', "think block"),
        ('{"a": 1} and more', '{"a": 1}', "text behind"),
        ("<think>Hm.</think>[1, 2]", "[1, 2]", "think block"),
    ],
)
def test_json_mode_takes_it_off_and_says_so(answer, text, kinds):
    got = ScriptedClient([answer]).generate("x", json_mode=True)
    assert got.text == text
    assert [(event.kind, event.detail) for event in got.events] == [(EventKind.REPAIRED, kinds)]


def action(**changes):
    return json.dumps(GOOD | {"action": GOOD["action"] | changes})


@pytest.mark.parametrize(
    ("text", "confidence", "kinds"),
    [
        (action(confidence="0.7"), 0.7, ["number as text"]),
        (action(confidence=" 1 "), 1.0, ["number as text"]),
        (action(confidence=70), 0.7, ["percentage"]),
        (action(confidence=100), 1.0, ["percentage"]),
        (action(confidence="70%"), 0.7, ["number as text", "percentage"]),
        (action(constraints=None), 0.6, ["null"]),
        (action(constraints={"stop_loss_pct": None, "max_position_size": "0.5"}), 0.6, ["null", "number as text"]),
        (json.dumps(GOOD | {"symbol": None, "regime": {"label": "bull", "confidence": None}}), 0.6, ["null"]),
        (f"So: {action(confidence='0.7')}", 0.7, ["text before", "number as text"]),
    ],
)
def test_values_that_can_mean_one_thing_are_read_where_a_person_says_so(text, confidence, kinds):
    advice, repairs = parse(text, "lenient")
    assert (advice.action.confidence, list(repairs)) == (confidence, kinds)
    with pytest.raises(ContractError, match=r"set advisor\.repairs to lenient"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (action(confidence="high"), "action.confidence"),
        (action(confidence=170), "action.confidence"),
        (action(confidence="0.7%"), "action.confidence"),
        (action(confidence=-0.5), "action.confidence"),
        (action(confidence=True), "action.confidence"),
        (action(confidence=None), "action.confidence"),
        (action(constraints={"stop_loss_pct": 5}), "action.constraints.stop_loss_pct"),
        (action(constraints={"stop_loss_pct": "5%"}), "action.constraints.stop_loss_pct"),
        (action(type="ENTER_LONG"), "action.type"),
        (json.dumps(GOOD | {"rationale": None}), "rationale"),
    ],
)
def test_what_can_mean_several_things_is_an_error_in_both(text, field):
    for repairs in ("strict", "lenient"):
        with pytest.raises(ContractError) as caught:
            parse(text, repairs)
        assert caught.value.field == field
        assert "lenient" not in str(caught.value)
