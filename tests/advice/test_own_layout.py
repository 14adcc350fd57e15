"""Prompt layouts of a person's own: asked as written, kept with the run, and refused in a sentence."""

import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.layout import LAYOUT_NAMES, LayoutText
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import SUPPORTED_BACKENDS, MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import Snapshot
from simulator.experiment.advisor import AdvisorConfig

pytestmark = pytest.mark.slow

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.2, -0.4, 0.1, 1.5)
OWN = {
    "system": "You are a careful reader of markets.",
    "shape": "turns",
    "question": "What of {market}?",
    "answer": "It is {label}, so {action}.",
    "reason": " Because {rationale}.",
    "words": {"bull": "rising", "bear": "falling"},
}
PACKAGED = LAYOUT_NAMES


def text_of(name):
    return (files("llm_strategy.prompts") / f"choose_{name}.yaml").read_text(encoding="utf-8")


def scores(request):
    """Prefers the second choice below the average and the first above."""
    if request.form:
        return {"rationale": "the trend says so"}
    best = "below" in request.messages[-1].content
    return {choice: 0.7 if number == best else 0.1 for number, choice in enumerate(request.choices)}


def scorer():
    return ScriptedClient(scores, supports_choices=True)


def recording(model):
    return RecordingClient(model, model.identity, MemoryStore())


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """The current folder, with the layout ``mine.yaml`` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(f"# My own.\n{yaml.safe_dump(OWN)}", encoding="utf-8")
    return tmp_path


def experiment(layout, **advisor):
    return simulator.Experiment.from_mapping(
        {
            "name": "own",
            "data": {"source": "synthetic:cycles?bars=420&seed=5"},
            "advisor": {"mode": "choices", "examples": "fixed", "layout": layout, "rationale": "changes", **advisor},
            "arms": ["llm"],
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": "reports", "explain": False},
        }
    )


def test_a_run_with_an_own_layout_replays_when_the_file_is_gone(in_folder):
    model = scorer()
    wanted = experiment("mine.yaml")
    Path("mine.yaml").unlink()
    result = simulator.run(wanted, client=recording(model))
    assert model.requests[0].messages[0].content == OWN["system"]
    assert model.requests[0].messages[-1].content.startswith("What of trend: ")
    assert model.requests[0].opening == "It is"
    assert model.requests[0].choices == (" rising", " falling", " sideways", " turbulent")
    advisor = result.record.arms[0].manifest["experiment"]["advisor"]
    assert advisor["layout"] == OWN
    assert "mine.yaml" not in (result.folder / "manifest.json").read_text()
    checks = simulator.replay(result.folder)
    assert checks
    assert all(check.same for check in checks)


def test_a_run_that_was_cut_off_goes_on_when_the_file_is_gone(in_folder):
    model, wanted = scorer(), experiment("mine.yaml")
    whole = simulator.run(wanted, client=recording(model))
    asked = len(model.requests)

    def until_interrupted(request):
        if len(broken.requests) == asked // 2:
            raise KeyboardInterrupt
        return scores(request)

    store, broken = MemoryStore(), ScriptedClient(until_interrupted, supports_choices=True)
    Path("mine.yaml").unlink()
    with pytest.raises(KeyboardInterrupt):
        simulator.run(wanted, client=RecordingClient(broken, broken.identity, store))
    rest = scorer()
    again = simulator.run(wanted, client=RecordingClient(rest, rest.identity, store))
    assert len(rest.requests) == asked - asked // 2 + 1
    assert again.folder == whole.folder
    assert all(check.same for check in simulator.replay(again.folder))


def test_a_run_is_named_by_what_the_layout_says_and_not_by_its_file(in_folder):
    def folder(layout):
        return simulator.run(experiment(layout), client=recording(scorer())).folder.name

    one = folder("mine.yaml")
    Path("elsewhere").mkdir()
    other = Path("elsewhere/other.yaml")
    other.write_text(yaml.safe_dump(OWN), encoding="utf-8")
    assert folder(str(other)) == folder(OWN) == one
    other.write_text(yaml.safe_dump(OWN | {"question": "And {market}?"}), encoding="utf-8")
    assert folder(str(other)) != one


@pytest.mark.parametrize("name", PACKAGED)
def test_a_copy_of_a_layout_asks_what_the_layout_asks(tmp_path, name):
    copy = tmp_path / "copy.yaml"
    copy.write_text(text_of(name), encoding="utf-8")
    asked = []
    for layout in (name, AdvisorConfig(layout=str(copy)).prompt_options.layout):
        client = scorer()
        ModelAdvisor(client, options=PromptOptions("choices", "fixed", rationale="always", layout=layout)).decide(
            SNAPSHOT
        )
        asked.append(client.requests)
    assert len(asked[0]) == 3
    assert asked[0] == asked[1]


def test_an_experiment_keeps_the_content_of_its_layout(in_folder):
    kept = experiment("mine.yaml")
    assert kept == experiment(OWN) == simulator.Experiment.from_mapping(kept.as_dict())
    assert experiment("rows").as_dict()["advisor"]["layout"] == "rows"


def without(key):
    return {name: value for name, value in OWN.items() if name != key}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (OWN | {"qestion": "x"}, "qestion is an unknown key, did you mean 'question'?"),
        (without("reason"), "reason is missing"),
        (OWN | {"shape": "pages"}, 'shape is "pages", it must be one of turns, page, did you mean'),
        (OWN | {"system": 3}, "system is 3, it must be of type string"),
        (OWN | {"words": {"bull": ""}}, "words.bull"),
        (OWN | {"words": {"bull": "{market}"}}, "words.bull has the unknown placeholder {market}; it may hold none."),
        (OWN | {"question": "What?"}, "question shows no market"),
        (OWN | {"question": "{markt}"}, "question has the unknown placeholder {markt}, did you mean 'market'?"),
        (OWN | {"question": "{market} {label}"}, "question has the unknown placeholder {label}"),
        (OWN | {"answer": "{label}"}, "answer has the placeholder {action} 0 times: put it there once."),
        (OWN | {"answer": "{label} {label} {action}"}, "answer has the placeholder {label} 2 times"),
        (OWN | {"answer": "{action}: {label}"}, "answer has {action} before {label}"),
        (OWN | {"reason": "Because."}, "reason has the placeholder {rationale} 0 times"),
        (OWN | {"reason": "{label}: {rationale}"}, "reason has the unknown placeholder {label}"),
        ([OWN], "is no mapping: write the keys system, shape, question"),
        (None, "is no mapping"),
    ],
)
def test_a_wrong_layout_is_one_sentence(in_folder, content, told):
    Path("mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        experiment("mine.yaml")
    assert str(caught.value).startswith("mine.yaml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"bul": "up"}, "words.bul is an unknown key, did you mean 'bull'?"),
        ({"bull": "side"}, "words.bull 'side' is the beginning of that of sideways"),
    ],
)
def test_words_of_a_layout_are_for_the_labels_of_the_experiment(words, told):
    with pytest.raises(ConfigurationError) as caught:
        experiment(OWN | {"words": words})
    assert str(caught.value).startswith(f"advisor.layout: {told}")


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ("mien.yaml", "There is no file mien.yaml, did you mean 'mine.yaml'?"),
        ("far/away.yaml", "There is no file far/away.yaml: correct the path of the layout."),
        ("folder.yaml", "folder.yaml cannot be read"),
        ("twice.yaml", "twice.yaml is not valid YAML"),
        ("bytes.yaml", "bytes.yaml cannot be read"),
        ("shet", ", or a file of your own that ends in .yaml, did you mean 'sheet'?"),
        ("mine.yml", "or a file of your own that ends in .yaml"),
        (3, "advisor.layout is 3"),
        (OWN | {"shape": 1}, "advisor.layout: shape is 1"),
    ],
)
def test_a_layout_that_is_not_there_is_one_sentence(in_folder, layout, told):
    Path("folder.yaml").mkdir()
    Path("twice.yaml").write_text("system: a\nsystem: b\n")
    Path("bytes.yaml").write_bytes(b"system: \xff\xfe")
    with pytest.raises(ConfigurationError) as caught:
        experiment(layout)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_are_compared_with_the_layouts_by_one_command(in_folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import decisions

    client = scorer()
    monkeypatch.setitem(SUPPORTED_BACKENDS, "scorer", lambda settings: client)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(in_folder / "cache"))
    Path("other.yaml").write_text(text_of("turns"), encoding="utf-8")
    given = ["--models", "m", "--backends", "scorer", "--earlier", "--states", "3", "--layout-file", "mine.yaml"]

    def rows(*further):
        monkeypatch.setattr(sys, "argv", ["decisions", *given, *further])
        decisions.main()
        return [line.split(" | ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("| m |")]

    cases = ("fixed", "nearest 2", "nearest 4")
    assert rows() == [f"mine.yaml, {case}" for case in cases]
    assert any(request.messages[0].content == OWN["system"] for request in client.requests)
    named = [f"{name}, {case}" for name in (*PACKAGED, "mine.yaml", "other.yaml") for case in cases]
    assert rows("--layouts", "--layout-file", "other.yaml") == named
    with pytest.raises(SystemExit):
        rows("--layout-file", "gone.yaml")
    assert "There is no file gone.yaml" in capsys.readouterr().err


def test_a_layout_can_be_made_in_python():
    layout = LayoutText(**OWN)
    assert AdvisorConfig(layout=layout).prompt_options.layout is layout
