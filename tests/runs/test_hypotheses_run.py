"""An experiment's hypotheses in a run: proposed, registered, tested, traded; replayed, cut off, and started again."""

import json

import numpy as np
import pytest
from markets import with_table
from stated_markets import FALSE, TRUE, of_proposals, returning_prices, scoring, stating, write_prices

from llm_strategy.errors import ForeignAnswers
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator import Experiment, compare, replay
from simulator.hypotheses.register import Register
from simulator.hypotheses.statement import Hypothesis
from simulator.prices.universe import load_universe
from simulator.runs.answers import recorded
from simulator.runs.hypotheses.examine import write_hypotheses
from simulator.runs.hypotheses.registrar import UserRegistrar
from simulator.runs.hypotheses.replaying import replay_hypotheses


def document_of(folder):
    return json.loads((folder / "hypotheses.json").read_text())


def card_of(folder, statement):
    identity = Hypothesis.from_document(statement, "here").id
    return next(card for card in document_of(folder)["hypotheses"] if card["id"] == identity)


class Examined:
    """The hypotheses of an experiment alone, without the arms of a run."""

    def __init__(self, mapping):
        self.experiment = Experiment.from_mapping(mapping)
        self.universe = load_universe(self.experiment.data)

    def write(self, folder, client=None, run="a run"):
        """What a run writes."""
        folder.mkdir(parents=True, exist_ok=True)
        registrar = UserRegistrar(Register(), run)
        write_hypotheses(self.universe, self.experiment, folder, client, registrar)
        return registrar

    def replayed(self, folder, target):
        """Whether a replay writes the same bytes."""
        target.mkdir()
        replay_hypotheses(self.universe, self.experiment, folder, target)
        return (target / "hypotheses.json").read_bytes() == (folder / "hypotheses.json").read_bytes()


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stated")
    return stating(folder, write_prices(folder), {"propose": 1, "statements": [TRUE, FALSE]})


@pytest.fixture(scope="module")
def asked():
    return scoring()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The register of the run that most tests look at."""
    return tmp_path_factory.mktemp("register")


@pytest.fixture(scope="module")
def result(experiment, kept, asked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTLLM_DATA_DIR", str(kept))
        return compare(experiment, client=asked)


@pytest.fixture
def register(result, kept):
    return Register(kept / "hypotheses.sqlite")


def test_a_true_statement_is_confirmed_and_a_false_one_is_not(result):
    true, false = card_of(result.folder, TRUE), card_of(result.folder, FALSE)
    assert true["test"]["verdict"] == "confirmed"
    assert false["test"]["verdict"] == "refuted"
    assert true["test"]["result"]["effect"] == pytest.approx(-false["test"]["result"]["effect"])
    assert "short" in false["rule"]["refused"]


def test_a_confirmed_statement_trades_the_last_window_once(result, register):
    card, windows = card_of(result.folder, TRUE), document_of(result.folder)["windows"]
    assert card["last"]["result"]["first"] == windows["last"]["first"] > card["test"]["window"]["last"]
    assert card["last"]["result"]["trades"] > 0
    assert [entry.statement for entry in register.entries("traded")] == [card["id"]]


def test_every_statement_is_registered_before_any_is_tested(result, register):
    numbers = {kind: [entry.number for entry in register.entries(kind)] for kind in ("proposed", "tested")}
    assert len(numbers["proposed"]) == len(numbers["tested"]) == 3
    assert max(numbers["proposed"]) < min(numbers["tested"])


def test_bars_behind_the_first_window_change_no_question(experiment, result, asked, tmp_path):
    prices = returning_prices()
    table = prices.table.copy()
    later = table.index > document_of(result.folder)["windows"]["propose"]["last"]
    table.loc[later, ["open", "high", "low", "close"]] *= np.linspace(1.1, 3, later.sum())[:, None]
    csv, other = write_prices(tmp_path, with_table(prices, table)), scoring()
    Examined(stating(tmp_path, csv, {**experiment["hypotheses"], "trade": False})).write(tmp_path, recorded(other))
    assert of_proposals(other) == of_proposals(asked)


def test_a_replay_needs_neither_register_nor_model(result, data_folder):
    checks = replay(result.folder)
    assert "hypotheses.json" in [check.name for check in checks]
    assert all(check.same for check in checks)
    assert not data_folder.exists()


def test_small_differences_are_told_to_a_hundredth_of_a_percent(result):
    found = card_of(result.folder, TRUE)
    for name in ("effect", "low", "high", "usual"):
        told = result.facts[f"hypothesis-{found['id']}.{name}"].text
        assert told == f"{100 * found['test']['result'][name]:.2f}" + ("%" if name == "usual" else " pp")


def test_the_page_shows_a_card_for_each(result):
    page = result.report.read_text()
    assert all(f'id="hypothesis-{identity}"' in page for identity in result.hypotheses.index)
    assert result.facts["hypotheses.confirmed"].value == int((result.hypotheses["verdict"] == "confirmed").sum()) > 0


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """One statement and two proposals, without trades."""
    folder = tmp_path_factory.mktemp("own")
    return Examined(stating(folder, write_prices(folder), {"propose": 2, "statements": [TRUE], "trade": False}))


def test_a_model_proposes_another_field_each_time(own, tmp_path):
    client = scoring()
    own.write(tmp_path / "run", client)
    cards = document_of(tmp_path / "run")["hypotheses"]
    assert [card["proposer"]["kind"] for card in cards] == ["person", "model", "model"]
    assert len({Hypothesis.from_document(card["statement"], "here").fields for card in cards}) == 3
    assert all(len(request.choices) > 1 for request in client.requests)


def test_statements_drawn_at_random_are_counted_and_claimed_by_nobody(own, tmp_path):
    usual = {"propose": 1, "trade": False}
    for count in (0, 12):
        with_chance = Examined(stating(tmp_path, write_prices(tmp_path), usual | {"chance": count}))
        with_chance.write(tmp_path / str(count), scoring(), f"run {count}")
    document = document_of(tmp_path / "12")
    assert 0 <= document["chance"]["low"] <= document["chance"]["tested"] <= document["chance"]["drawn"] == 12
    assert document["chance"]["tested"] > 0
    assert "chance" not in document_of(tmp_path / "0")
    assert len(Register().entries()) == 2
    assert with_chance.replayed(tmp_path / "12", tmp_path / "again")


def test_a_changed_time_has_another_hash(own, tmp_path):
    own.write(tmp_path / "run", scoring())
    path = tmp_path / "run" / "hypotheses.json"
    document = json.loads(path.read_text())
    document["hypotheses"][0]["test"]["entry"]["at"] = "2001-01-01T00:00:00+00:00"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    assert not own.replayed(tmp_path / "run", tmp_path / "again")


def test_a_changed_question_is_not_the_recorded_one(own, tmp_path):
    own.write(tmp_path / "run", scoring())
    path = tmp_path / "run" / "hypotheses.json"
    path.write_text(path.read_text().replace(document_of(tmp_path / "run")["questions"][0]["request"], "0" * 64))
    with pytest.raises(ForeignAnswers, match=r"hypotheses\.json: Question 1 is not the recorded one"):
        own.replayed(tmp_path / "run", tmp_path / "again")


def test_the_same_run_again_writes_the_same_and_another_takes_over_the_test(own, tmp_path):
    own.write(tmp_path / "first", scoring())
    entries = len(Register().entries())
    own.write(tmp_path / "second", scoring())
    own.write(tmp_path / "other", scoring(), "another run")
    first, second, other = (tmp_path / name / "hypotheses.json" for name in ("first", "second", "other"))
    assert first.read_bytes() == second.read_bytes()
    card = card_of(tmp_path / "other", TRUE)["test"]
    assert card["earlier"]
    assert card["result"] == card_of(tmp_path / "first", TRUE)["test"]["result"]
    assert len(Register().entries()) == entries
    assert own.replayed(other.parent, tmp_path / "again")


def test_other_bars_of_a_window_that_was_seen_are_refused(own, tmp_path):
    own.write(tmp_path / "first", scoring())
    hypotheses = {"statements": [TRUE], "windows": {"propose": 0.35, "test": 0.4}, "trade": False}
    moved = Examined(stating(tmp_path, write_prices(tmp_path), hypotheses))
    moved.write(tmp_path / "moved", run="another run")
    assert "It was tested on" in card_of(tmp_path / "moved", TRUE)["test"]["refused"]
    assert moved.replayed(tmp_path / "moved", tmp_path / "again")


def test_what_was_cut_off_registers_and_asks_nothing_twice(own, tmp_path, monkeypatch):
    record, client = Register.record_test, recorded(scoring())

    def cut(*given, **more):
        record(*given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Register, "record_test", cut)
        with pytest.raises(KeyboardInterrupt):
            own.write(tmp_path / "run", client)
    asked = client.usage.asked
    own.write(tmp_path / "run", client)
    assert client.usage.asked == asked
    steps = [(entry.kind, entry.statement) for entry in Register().entries()]
    assert len(steps) == len(set(steps)) == 6
    assert not any("earlier" in card["test"] for card in document_of(tmp_path / "run")["hypotheses"])


def test_without_a_register_nothing_is_tested_and_no_run_is_lost(own, tmp_path, data_folder):
    data_folder.mkdir()
    (data_folder / "hypotheses.sqlite").write_text("my notes, and no register at all\n" * 50)
    registrar = own.write(tmp_path / "run", scoring())
    card = card_of(tmp_path / "run", TRUE)
    assert "test" not in card
    assert card["registered"]["refused"].startswith("The register of hypotheses could not be written")
    assert "hypotheses.sqlite" in registrar.problem
    assert own.replayed(tmp_path / "run", tmp_path / "again")


def writing(slots, wrong=()):
    """A client that writes the last choice, but at these questions what is none."""

    def answer(request):
        if slots:
            (slot,) = (part for part in request.form if not isinstance(part, str))
            name, choices = slot.name, slot.choices
        else:
            ((name, entry),) = json.loads(request.json_schema)["properties"].items()
            choices = entry["enum"]
        return {name: "neither" if len(client.requests) in wrong else choices[-1]}

    client = ScriptedClient(answer, supports_forms=slots)
    return client


@pytest.mark.parametrize("slots", [True, False], ids=["slots", "schema"])
def test_a_model_that_writes_chooses_too_and_is_asked_once_more(own, slots, tmp_path):
    client = writing(slots, wrong=[2])
    own.write(tmp_path / "run", client)
    proposed = document_of(tmp_path / "run")["hypotheses"][1]
    assert (proposed["proposer"]["kind"], proposed["statement"]["direction"]) == ("model", "down")
    assert client.requests[2].messages[-1].content.startswith("That is none of the choices")
    assert own.replayed(tmp_path / "run", tmp_path / "again")


def test_a_proposal_that_failed_is_told_and_the_others_are_tested(own, tmp_path):
    own.write(tmp_path / "run", writing(False, wrong=[2, 3]))
    document = document_of(tmp_path / "run")
    assert "'neither', which is none of" in document["failures"][0]
    assert [card["proposer"]["kind"] for card in document["hypotheses"]] == ["person"]
    assert "result" in document["hypotheses"][0]["test"]
    assert own.replayed(tmp_path / "run", tmp_path / "again")
