"""Training rows: what passes the gates, by whom it is labelled, and what a file of rows must be."""

import json
from collections import Counter
from importlib.util import find_spec

import pytest
from command_line import only_error
from small_run import small
from tiny_llama import write_model

import simulator
from llm_strategy.advice.examples import label_of_what_followed
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.view import causal_label
from simulator.prices.load import load_prices
from simulator.runs.simulation import snapshots
from simulator.training.adapter import AdapterFolder
from simulator.training.export import SyntheticPaths, export_rows
from simulator.training.judge import check_unseen
from simulator.training.rows import read_about, read_rows
from simulator.training.tokens import make_examples

PATHS = SyntheticPaths(paths=2, seed=41, bars=500)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run whose model says bull at every close."""
    place = tmp_path_factory.mktemp("run")
    answer = {"label": "bull", "action": "hold", "action_confidence": "50", "rationale": "It is so."}
    experiment = small(place, evaluation={"bootstrap_samples": 100, "placebos": 19})
    return simulator.run(experiment, client=ScriptedClient(lambda request: answer), progress=False).folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_path_is_labelled_by_its_true_regimes(tmp_path):
    about = export_rows(tmp_path / "data.jsonl", synthetic=PATHS, label="regime")
    expected = Counter()
    for source in PATHS.sources:
        prices = load_prices(source)
        true = {time.isoformat(): label for time, label in prices.true_regimes.items()}
        expected.update(true[snapshot.time] for snapshot in snapshots(prices))
    assert about["labels"] == dict(sorted(expected.items()))
    rows = lines(tmp_path / "data.jsonl")
    assert sum(row["weight"] for row in rows) == about["decisions"] == expected.total()
    assert [turn["role"] for turn in rows[0]["messages"]] == ["system", "user", "assistant"]
    assert not any(character.isdigit() for row in rows for turn in row["messages"] for character in turn["content"])
    assert read_about(tmp_path / "data.jsonl")["synthetic"] == list(PATHS.sources)
    again = export_rows(tmp_path / "again.jsonl", synthetic=PATHS, label="regime")
    assert again["decisions"] == about["decisions"]
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "data.jsonl").read_bytes()


def test_a_run_is_labelled_by_what_matured_before_the_validation_window_and_never_by_its_model(run_folder, tmp_path):
    prices = load_prices("synthetic:cycles?bars=420&seed=5")
    seen = snapshots(prices)
    before = seen[-40].time
    about = export_rows(tmp_path / "data.jsonl", [run_folder], label="outcome", before=before)
    matured = [(one, later) for one, later in zip(seen, seen[20:], strict=False) if later.time < before]
    expected = Counter(label_of_what_followed(later).value for _, later in matured)
    assert about["labels"] == dict(sorted(expected.items()))
    assert about["labels"].keys() != {"bull"}
    assert about["dropped"] == {
        "what followed is not known yet": 20,
        "within the validation window, or its outcome is": len(seen) - 20 - len(matured),
    }
    ruled = export_rows(tmp_path / "rule.jsonl", [run_folder], label="rule", before=before)
    rule = Counter(causal_label(one).value for one in seen if one.time < before)
    assert ruled["labels"] == dict(sorted(rule.items()))


def test_a_run_has_no_true_regimes_and_nothing_is_left(run_folder, tmp_path):
    with pytest.raises(ConfigurationError, match=r"No row is left \(\d+ dropped: the true regime is not on record\)"):
        export_rows(tmp_path / "data.jsonl", [run_folder], label="regime", before="2030-01-01")


def test_what_cannot_be_exported_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="Nothing is to be exported"):
        export_rows(tmp_path / "data.jsonl", label="regime")
    for numbers, told in (
        ((0, 1), "--paths is 0: give a whole number from 1 to 1,000"),
        ((1, 1, 100), "--bars is 100"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            SyntheticPaths(*numbers)


def test_a_run_needs_its_validation_window(run_folder, tmp_path):
    with pytest.raises(ConfigurationError, match="--before is missing: name the day"):
        export_rows(tmp_path / "data.jsonl", [run_folder], label="outcome")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("{", "line 1: .*: write", id="no JSON"),
        pytest.param('{"messages": []}', "at least two turns", id="no turns"),
        pytest.param(
            '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
            "no answer",
            id="no answer",
        ),
        pytest.param(
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "weight": 0}',
            "weight",
            id="weight",
        ),
        pytest.param(
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "wight": 1}',
            "unknown key",
            id="key",
        ),
        pytest.param("", "is empty", id="empty"),
    ],
)
def test_rows_of_others_are_read_with_care(tmp_path, line, told):
    (tmp_path / "data.jsonl").write_text(line)
    with pytest.raises(ConfigurationError, match=told):
        read_rows(tmp_path / "data.jsonl")


def test_rows_that_were_changed_are_not_those_that_the_file_beside_them_is_about(tmp_path):
    data = tmp_path / "data.jsonl"
    export_rows(data, synthetic=PATHS, label="rule")
    data.write_text(data.read_text().replace("bull", "bear"))
    with pytest.raises(ConfigurationError, match=r"is not the file that data\.about\.json is about"):
        read_about(data)


def test_a_twin_has_the_same_prompts_and_other_answers(tmp_path):
    class Letters:
        def prompt(self, messages):
            return tuple(messages[-1].content.encode())

        def answer(self, text):
            return tuple(text.encode())

    answers = {}
    for row in read_rows_of(tmp_path):
        answers.setdefault(row.messages, Counter())[row.answer] += row.weight
    real, twin = (make_examples(answers, Letters(), 7, twin=twin) for twin in (False, True))
    assert [one.tokens for one in real.examples] == [one.tokens for one in twin.examples]
    assert (real.weights == twin.weights).all()

    def at_label(examples):
        return sorted(one.targets[1][1] for one in examples.examples)

    assert at_label(real) == at_label(twin)
    assert [one.targets[1] for one in real.examples] != [one.targets[1] for one in twin.examples]


def read_rows_of(tmp_path):
    export_rows(tmp_path / "data.jsonl", synthetic=PATHS, label="regime")
    return read_rows(tmp_path / "data.jsonl")


def test_a_judge_refuses_what_was_trained_on(tmp_path):
    about = {"runs": [{"name": "a"}], "before": "2010-01-01", "synthetic": ["synthetic:calm?bars=500&seed=3"]}
    adapter = AdapterFolder(tmp_path, {"about": about})
    early = simulator.Experiment.from_mapping({"data": {"source": "sample:sp500", "start": "2009-06-01"}})
    with pytest.raises(ConfigurationError, match=r"begins at 2009-06-01: set data\.start to 2010-01-01 or later"):
        check_unseen(adapter, early)
    check_unseen(
        adapter, simulator.Experiment.from_mapping({"data": {"source": "sample:sp500", "start": "2010-01-01"}})
    )
    seen = simulator.Experiment.from_mapping(
        {"data": {"source": "synthetic:calm?bars=900&seed=3", "start": "2011-01-01"}}
    )
    with pytest.raises(ConfigurationError, match=r"trained on synthetic:calm\?bars=900&seed=3: choose another seed"):
        check_unseen(adapter, seen)


def test_the_command_says_what_it_wrote(btllm, tmp_path):
    data = tmp_path / "data.jsonl"
    words = ("train", "export", "--synthetic", "1", "--seed", "5", "--bars", "500", "--out", data)
    code, out, _ = btllm(*words)
    assert code == 0
    assert "distinct prompts: " in out
    assert f"Data: {data}" in out
    assert json.loads(btllm(*words, "--json")[1])["synthetic"] == ["synthetic:calm?bars=500&seed=5"]
    only_error(btllm("train", "export"), 2)
    only_error(btllm("train", "judge", tmp_path, tmp_path / "experiment.yaml"), 2)


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed, and training runs")
def test_without_the_extra_the_install_line_is_told(btllm, tmp_path):
    btllm("train", "export", "--synthetic", "1", "--bars", "500", "--out", tmp_path / "data.jsonl")
    answer = btllm("train", "run", tmp_path / "data.jsonl", "--model", write_model(tmp_path / "tiny.gguf"))
    assert "pip install 'backtrader-llm[train]'" in answer[2].replace("\n", " ")
    only_error(answer, 4)
