"""Paths and settings of an experiment belong to its own folder, then to the working folder, which is told."""

import json
import os
from pathlib import Path

import pytest
from small_run import reader, recording

import simulator
from llm_strategy.errors import BudgetReached, ConfigurationError, MarketDataError
from llm_strategy.llm import get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.loader import SUPPORTED_BACKENDS
from llm_strategy.llm.metering.calls import Budget
from llm_strategy.llm.settings import load_settings
from llm_strategy.support.logs import warn_once
from llm_strategy.support.read_regular import place_of
from simulator.experiment.configuration import Experiment
from simulator.prices.load import load_prices

pytestmark = pytest.mark.slow

PRICES = load_prices("synthetic:cycles?bars=330&seed=5")
EXPERIMENT = "name: away\ndata: {source: 'csv:prices/aaa.csv'}\narms: [buy_and_hold]\noutput: {explain: false}\n"


@pytest.fixture(autouse=True)
def two_folders(tmp_path, monkeypatch):
    """A working folder and, beside it, the folder of an experiment."""
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_SCRIPT", "LLM_TEMPERATURE", "LLM_SEED", "LLM_THREADS", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    warn_once.cache_clear()
    for name in ("here", "away"):
        (tmp_path / name / "prices").mkdir(parents=True)
        (tmp_path / name / "configs").mkdir()
    (tmp_path / "away" / "experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_prices_lie_beside_the_experiment_and_the_run_is_the_same_wherever_it_is_started(two_folders, monkeypatch):
    PRICES.write_csv(two_folders / "away/prices/aaa.csv")
    first = simulator.run("../away/experiment.yaml", "buy_and_hold")
    assert first.folder.resolve().parent == two_folders / "here/reports"
    monkeypatch.chdir(two_folders / "away")
    second = simulator.run(Path("experiment.yaml"), "buy_and_hold")
    assert second.folder.name == first.folder.name
    for name in ("manifest.json", "equity.csv", "facts.json"):
        one, other = ((result.folder / name).read_text() for result in (first, second))
        if name == "manifest.json":
            one, other = (
                {k: v for k, v in json.loads(text).items() if k in ("experiment", "prices")} for text in (one, other)
            )
        assert one == other, name
    assert str(two_folders) not in (first.folder / "manifest.json").read_text()


def test_what_lies_in_the_working_folder_alone_is_used_and_told(two_folders, caplog):
    PRICES.write_csv(two_folders / "here/prices/aaa.csv")
    simulator.run("../away/experiment.yaml", "buy_and_hold")
    assert (
        "prices/aaa.csv is not in the experiment's folder ../away: the one in the working folder is used" in caplog.text
    )


def test_of_two_files_that_of_the_experiment_is_used_and_told(two_folders, caplog):
    PRICES.write_csv(two_folders / "away/prices/aaa.csv")
    (two_folders / "here/prices/aaa.csv").write_text("time,close\n")
    simulator.run("../away/experiment.yaml", "buy_and_hold")
    assert "prices/aaa.csv is there twice: that in the experiment's folder ../away is used" in caplog.text


def test_a_file_that_is_nowhere_is_missed_beside_the_experiment(two_folders):
    PRICES.write_csv(two_folders / "away/prices/aab.csv")
    with pytest.raises(MarketDataError, match=r"csv:prices/aaa\.csv: there is no such file, did you mean 'aab\.csv'"):
        simulator.run("../away/experiment.yaml", "buy_and_hold")


def test_absolute_paths_and_mappings_are_as_they_were(two_folders):
    path = two_folders / "elsewhere.csv"
    assert place_of(path, two_folders / "away") == path
    assert place_of("~/x.csv", two_folders / "away") == Path("~/x.csv").expanduser()
    assert place_of("x" * 5000, two_folders / "away") == Path("x" * 5000)
    assert Experiment.from_mapping({"data": {"source": "csv:a.csv"}}).folder is None


def test_layout_and_calibration_lie_beside_the_experiment(two_folders):
    (two_folders / "away/own.yaml").write_text("system: Be brief.\nuser: '{market}'\n")
    (two_folders / "away/prior.json").write_text("{}")
    for line, where in (("layout: own.yaml", "own.yaml"), ("calibration: prior.json", "prior.json")):
        (two_folders / "away/own-words.yaml").write_text(f"advisor: {{{line}}}\n")
        with pytest.raises(ConfigurationError) as caught:  # read, and found to be no layout and no calibration of ours
            Experiment.from_file(Path("../away/own-words.yaml"))
        assert f"away/{where}" in str(caught.value)


def test_settings_beside_the_experiment_go_before_those_of_the_working_folder(two_folders, caplog):
    (two_folders / "here/configs/llm.yaml").write_text("backend: local_llama\nmodel: of-here.gguf\n")
    assert load_settings().source == "configs/llm.yaml"
    away = two_folders / "away"
    assert load_settings(away).model == "of-here.gguf"
    assert "configs/llm.yaml is not in the experiment's folder" in caplog.text
    (away / "configs/llm.yaml").write_text("backend: scripted\nscript: answers.jsonl\ntemperature: ${WARMTH}\n")
    (away / ".env").write_text("WARMTH=0.5\nLLM_MAX_TOKENS=77\n")
    (away / "answers.jsonl").write_text('"From away."\n')
    settings = load_settings(away)
    assert (settings.backend, settings.temperature, settings.max_tokens) == ("scripted", 0.5, 77)
    assert settings.source == f"{away / 'configs/llm.yaml'} and {away / '.env'}"
    assert settings.for_backend("scripted").source == settings.source
    assert get_llm_client(settings=settings).generate("x").text == "From away."
    assert load_settings().model == "of-here.gguf"


def test_a_run_asks_the_model_that_is_configured_beside_its_experiment(two_folders):
    PRICES.write_csv(two_folders / "away/prices/aaa.csv")
    (two_folders / "away/configs/llm.yaml").write_text("backend: patient\n")
    register_backend("patient", lambda settings: ScriptedClient(reader))
    try:
        result = simulator.run("../away/experiment.yaml", "llm")
    finally:
        SUPPORTED_BACKENDS.pop("patient")
    assert result.record.manifest["model"]["backend"] == "scripted"


@pytest.mark.parametrize(
    ("variable", "dotenv", "file", "source"),
    [
        (None, None, None, "defaults"),
        (None, None, "model: a.gguf", "configs/llm.yaml"),
        (None, "LLM_MODEL=a.gguf", None, ".env"),
        (None, "OTHER=1", None, "defaults"),
        ("a.gguf", None, None, "the environment"),
        ("a.gguf", "LOG_LEVEL=INFO", "model: a.gguf", "configs/llm.yaml, .env and the environment"),
    ],
)
def test_settings_say_where_they_are_from(two_folders, monkeypatch, variable, dotenv, file, source):
    for name in [name for name in os.environ if name.startswith("LLM_")]:
        monkeypatch.delenv(name)
    if variable:
        monkeypatch.setenv("LLM_MODEL", variable)
    if dotenv:
        Path(".env").write_text(dotenv + "\n")
    if file:
        Path("configs/llm.yaml").write_text(file + "\n")
    assert load_settings().source == source


def small_experiment(**sections):
    return {
        "name": "lent",
        "data": {"source": "synthetic:cycles?bars=330&seed=5"},
        "output": {"explain": False},
    } | sections


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_the_callers_client_as_it_found_it(two_folders, fails):
    client, _ = recording()
    told = []
    advisor = {"budget": {"max_calls": 2}} if fails else {"budget": {"max_calls": 10_000}}
    experiment = small_experiment(advisor=advisor)
    with client.session(on_record=told.append, budget=Budget(max_calls=5_000)):
        found = client._session, dict(client._session.answered), client.prices, client.mode, client.defaults
        if fails:
            with pytest.raises(BudgetReached):
                simulator.run(experiment, client=client)
        else:
            simulator.run(experiment, client=client)
        assert (client._session, client._session.answered, client.prices, client.mode, client.defaults) == found
        assert client._session.usage == client.usage
    assert len(told) == client.usage.kept > 0  # the caller's own session heard of it meanwhile
    before = client.usage.calls
    client.generate("A question of the caller, which no budget of a run bounds.")
    assert client.usage.calls == before + 1


def test_a_client_that_refreshes_asks_again_in_the_next_run(two_folders):
    client, model = recording(mode="refresh")
    simulator.run(small_experiment(), client=client)
    once = len(model.requests)
    simulator.run(small_experiment(name="again"), client=client)
    assert len(model.requests) == 2 * once > 0


def test_a_replay_in_front_of_a_fallback_knows_what_is_on_record(two_folders, monkeypatch):
    first = simulator.run(small_experiment(), client=recording()[0])
    monkeypatch.setenv("LLM_BACKEND", "replay")
    monkeypatch.setenv("LLM_REPLAY_FROM", str(first.folder))
    monkeypatch.setenv("LLM_FALLBACK", "local_llama")
    told = []
    second = simulator.run(small_experiment(name="second"), on_estimate=told.append)
    assert (told[0].to_ask, told[0].on_record) == (0, told[0].distinct)
    assert told[0].distinct > 0
    assert second.record.manifest["usage"]["asked"] == 0
    with get_llm_client() as client:
        assert client.fallbacks == ("local_llama",)
