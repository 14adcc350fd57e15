"""What the inspector of a page is given: every decision, the words as far as they fit, and what was asked."""

import json
from itertools import accumulate

import pytest
from record_factory import write_comparison
from small_run import recording, seal, small

import simulator
from simulator.folder.question_texts import QUESTIONS, read_questions
from simulator.folder.record import load_record
from simulator.reporting.inspector import inspector
from simulator.reporting.inspector.inspector import inspector_data
from simulator.reporting.inspector.numbering import packed, unpacked
from simulator.runs.replaying import replay
from simulator.runs.trace import trace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    return write_comparison(place, arms=("llm", "second", "random"), advisors=("llm", "second"), bars=400).folder


@pytest.fixture(scope="module")
def record(folder):
    return load_record(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose scripted model is asked in earnest."""
    wanted = small(
        tmp_path_factory.mktemp("run"),
        data={"source": "synthetic:cycles?bars=300&seed=5"},
        arms=["llm", "buy_and_hold"],
    )
    client, model = recording()
    return simulator.compare(wanted, client=client).folder, model


def words_of(data):
    return [unpacked(text) for name, text in data.items() if name.startswith("words-")]


def test_every_decision_stands_in_columns_with_its_words(record):
    data = inspector_data(record)
    core, words = unpacked(data["core"]), words_of(data)
    made = sum(len(arm.decisions) for arm in record.arms)
    assert core["decisions"] == core["worded"] == made
    assert sum(len(one["label"]) for one in core["series"]) == made
    assert sum(len(rows["at"]) for document in words for rows in document["rows"]) == made
    first = record.arm("llm").decisions[0]
    texts = {text for document in words for text in document["texts"]}
    assert {first["prompt"], first["answer"]} <= texts
    assert [first <= last for first, last in core["stretches"]] == [True] * len(words)


def test_columns_and_words_say_what_each_line_says(record):
    data = inspector_data(record)
    core, words = unpacked(data["core"]), words_of(data)
    said = {}
    for document in words:
        for rows in document["rows"]:
            for at, outcome, gate in zip(accumulate(rows["at"]), rows["outcome"], rows["gate"], strict=True):
                rationale = document["texts"][document["outcomes"][outcome][2]]
                said[rows["series"], at] = rationale, document["gates"][gate][:2]
    for number, series in enumerate(core["series"]):
        name = core["arms"][series["arm"]]["name"]
        for at, row in enumerate(record.arm(name).decisions):
            advice = row["advice"]
            label, action = series["label"][at], series["action"][at]
            if advice:
                said_so = core["labels"][label][0], core["actions"][action]
                assert said_so == (advice["regime"]["label"], advice["action"]["type"])
            else:
                assert (label, action) == (-1, -1)
            assert core["statuses"][series["status"][at]][0].startswith(row["status"])
            assert core["intents"][series["intent"][at]] == row["verdict"]["intent"]
            assert series["sure"][at] == (round(100 * advice["action"]["confidence"]) if advice else -1)
            rationale, gate = said[number, at]
            assert rationale == (advice["rationale"] if advice else "")
            assert gate == [row["verdict"]["intent"], row["verdict"]["size"]]


def test_words_that_matter_most_come_first_as_a_plain_sort_has_them(record):
    tables = tables_of(record)
    words = inspector._Words(inspector._in_order(record), tables)
    places = [
        (not busy, -time, number, at)
        for number, one in enumerate(tables.series)
        for at, (time, busy) in enumerate(zip(one.times, one.busy, strict=True))
    ]
    assert words.order.tolist() == sorted(range(len(places)), key=places.__getitem__)


def test_the_same_record_gives_the_same_bytes(record):
    assert inspector_data(record) == inspector_data(record)


def test_where_not_all_words_fit_those_of_changes_stay(record, monkeypatch):
    whole = inspector_data(record)
    monkeypatch.setattr(inspector, "FEWEST_WORDS", 0)
    room = len(whole["core"]) + len(whole["books"]) + 9000
    data = inspector_data(record, room)
    core = unpacked(data["core"])
    assert 0 < core["worded"] < core["decisions"]
    assert sum(len(rows["at"]) for document in words_of(data) for rows in document["rows"]) == core["worded"]
    assert sum(map(len, data.values())) <= room + 100
    words = inspector._Words(inspector._in_order(record), tables_of(record))
    chosen = words.busy[words.order[: core["worded"]]].tolist()
    assert chosen == sorted(chosen, reverse=True)


def tables_of(record):
    tables = inspector.SeriesTables()
    for arm in inspector._in_order(record):
        tables.take(arm, labelled=True)
    return tables


def test_what_followed_is_what_a_trace_tells(folder, record):
    core = unpacked(inspector_data(record)["core"])
    rows = list(record.arm("llm").decisions)
    for at in (0, len(rows) // 2, len(rows) - 3):
        told = trace(folder, rows[at]["time"], arm="llm").followed
        shown = {bars: change[at] for bars, change in core["symbols"][0]["after"].items()}
        assert shown == {str(bars): None if bars not in told else round(10_000 * told[bars]) for bars in (1, 5, 20)}


def test_questions_are_kept_word_for_word_and_a_replay_writes_them_again(run):
    folder, model = run
    asked = read_questions(folder / "llm")
    sent = {tuple((message.role, message.content) for message in request.messages) for request in model.requests}
    kept = {tuple((message.role, message.text) for message in messages) for messages in asked.values()}
    assert kept
    assert kept <= sent
    decisions = [json.loads(line) for line in (folder / "llm" / "decisions.jsonl").read_text().splitlines()]
    assert {row["request"] for row in decisions} == set(asked)
    checks = {check.name: check.same for check in replay(folder)}
    assert checks[f"llm/{QUESTIONS}"]
    assert checks["report.html"]


def test_a_folder_without_questions_still_has_a_page_that_replays(run, tmp_path):
    folder = tmp_path / run[0].name
    for path in sorted(run[0].rglob("*")):
        if path.is_file() and path.name != QUESTIONS:
            (folder / path.relative_to(run[0])).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(run[0])).write_bytes(path.read_bytes())
    seal(folder)
    simulator.rebuild_report(folder)
    checks = {check.name: check.same for check in replay(folder)}
    assert f"llm/{QUESTIONS}" not in checks
    assert all(checks.values())


def test_a_packed_document_is_opened_again_and_a_forged_one_is_told():
    document = {"text": "a <b> \u202e", "numbers": [1, None, 2.5]}
    assert unpacked(packed(document)) == document
    for forged in ("", "x", packed(document)[:-8], packed(document)[8:]):
        with pytest.raises(ValueError, match=r"."):
            unpacked(forged)
