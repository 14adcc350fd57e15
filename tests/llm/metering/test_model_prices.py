"""What answers cost, wherever the prices stand: in runs, estimates, budgets and the audit log."""

import json

import pytest
import yaml
from misbehaving_server import MODEL, answer, serving, status

import simulator
from llm_strategy.errors import BudgetReached, ConfigurationError
from llm_strategy.llm import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.settings import LlmSettings

pytestmark = pytest.mark.server

KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}
GOOD = {"label": "bear", "action": "exit", "action_confidence": "60", "rationale": "Below."}
A_CALL = (3.0 * 10 + 9.0 * 5) / 1e6
"""Of the server's ten tokens read and five written, at the prices of these tests."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, its own record of answers, and a backend of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    register_backend("local", lambda settings: ScriptedClient(lambda request: GOOD, name=settings.model))
    yield tmp_path
    del SUPPORTED_BACKENDS["local"]


def experiment(**advisor):
    return simulator.Experiment.from_mapping(
        {
            "name": "priced",
            "data": {"source": "synthetic:cycles?bars=289&seed=5"},
            "advisor": {"style": "numbers", "decimals": 2, "max_failure_rate": 1.0} | advisor,
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": "reports", "explain": False},
        }
    )


def configure(folder, **settings):
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs/llm.yaml").write_text(yaml.safe_dump(settings))


def lines(folder):
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("beside", [True, False])
def test_prices_under_the_backends_name_count_for_runs(folder, beside):
    prices = {"price_in": 3.0, "price_out": 9.0}
    section = {**KNOWN, "concurrency": 1}
    seen = []
    with serving(answer()) as server:
        at = {"backend": "openai", "model": MODEL}
        if beside:
            configure(folder, **at, openai={**section, "base_url": [server.url], **prices}, price_in=1000.0)
        else:
            configure(folder, **at, **prices, base_url=[server.url], openai=section)
        with pytest.raises(BudgetReached, match=r"in money of 0\.0003 \(advisor\.budget\.max_cost\)"):
            simulator.run(experiment(budget={"max_cost": 4 * A_CALL}), on_estimate=seen.append)
        assert len(server.questions) == 4
        result = simulator.run(experiment(), on_estimate=seen.append)
        assert seen[1].cost == pytest.approx(A_CALL * seen[1].to_ask)
        assert len(server.questions) == seen[0].distinct
    noted = lines(result.folder)
    assert sum(line["cost"] for line in noted) == pytest.approx(A_CALL * seen[0].distinct)


def test_a_fallback_spends_at_its_own_price(folder):
    with serving(status(500)) as server:
        configure(
            folder, backend="openai", model=MODEL, base_url=[server.url], price_in=1000.0, attempts=1, backoff_s=0,
            breaker_failures=0, openai={**KNOWN, "concurrency": 1}, fallback=["local"], local={"price_out": 1e6},
        )  # fmt: skip
        with pytest.raises(BudgetReached, match="in money"):
            simulator.run(experiment(budget={"max_cost": 40.0}))
        (kept,) = [path for path in (folder / "reports").iterdir() if path.name.endswith(".partial")]
        noted = [line for line in lines(kept) if line["answer"]]
        assert sum(line["cost"] for line in noted) == sum(line["tokens_out"] for line in noted) >= 40.0
        assert sum(line["cost"] for line in noted[:-1]) < 40.0


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"backend": "openai"}, "openai"),
        ({"backend": "openai", "openai": {"price_in": 1}, "fallback": ["local"]}, "local"),
        ({"backend": "openai", "price_in": 1, "fallback": ["local", "bedrock"], "local": {"price_in": 0}}, "bedrock"),
        ({"backend": "ensemble", "ensemble": {"members": ["local", {"backend": "openai", "price_in": 1}]}}, "local"),
        ({"backend": "ensemble", "ensemble": {"members": ["local", "openai"]}, "local": {"price_out": 1}}, "openai"),
    ],
)
def test_a_budget_in_money_names_whoever_has_no_price(folder, settings, missing):
    with serving(answer()) as server:
        configure(folder, model=MODEL, base_url=[server.url], **settings)
        with pytest.raises(ConfigurationError, match=rf"and {missing} has none: set price_in and price_out"):
            simulator.run(experiment(budget={"max_cost": 1.0}))
        assert server.questions == []


def test_members_have_the_price_of_the_ensemble_or_their_own(folder):
    members = ["local", {"backend": "local", "price_out": 7.0}]
    settings = LlmSettings(backend="ensemble", price_out=2.0, sections={"ensemble": {"members": members}})
    with get_llm_client(settings=settings) as client:
        assert [member.prices.tokens_out for member in client.members] == [2.0, 7.0]


def test_what_stands_under_one_backends_name_is_not_its_fallbacks(folder):
    made = []

    def connect(settings):
        made.append(settings)
        return ScriptedClient(lambda request: "well", name=settings.model)

    register_backend("local", connect)
    section = {**KNOWN, "model": "far-model", "temperature": 1.0, "price_in": 3.0, "attempts": 1}
    with serving(status(500)) as server:
        settings = LlmSettings(
            backend="openai",
            model="near-model",
            base_url=(server.url,),
            fallback=("local",),
            sections={"openai": section},
        )
        with get_llm_client(settings=settings) as client:
            assert client.generate("x").text == "well"
    assert [(one.model, one.temperature, one.price_in) for one in made] == [("near-model", 0.0, None)]
