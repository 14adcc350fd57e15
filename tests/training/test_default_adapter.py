"""The package's own adapter: where it answers by itself, and that it reads markets that it was never shown."""

from collections import Counter

import pytest

from llm_strategy import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.market.view import View, causal_label
from llm_strategy.types import Status
from simulator.evaluation.regimes import kappa
from simulator.experiment.advisor import AdvisorConfig
from simulator.folder.description import options_of
from simulator.prices.load import load_prices
from simulator.runs.simulation import snapshots
from simulator.training.recipe import PATHS

UNSEEN = tuple(f"synthetic:{scenario}?bars=600&seed=7" for scenario in ("calm", "cycles", "crash"))
EVERY = 18
"""Closes from one question to the next."""


def client_of(model_path, threads, **settings):
    wanted = LlmSettings(
        backend="llama_cpp", instruct_model_path=model_path, threads=threads, timeout_s=300, **settings
    )
    return get_llm_client("test", settings=wanted)


@pytest.fixture(scope="module")
def client(model_path, threads):
    with client_of(model_path, threads) as found:
        yield found


def test_the_adapter_answers_where_nothing_is_set_and_where_its_layout_is(client):
    for options in (PromptOptions(), PromptOptions(layout="brief"), PromptOptions("choices", "none", layout="brief")):
        chosen = ModelAdvisor(client, options=options).options
        assert (chosen.mode, chosen.examples, chosen.layout) == ("choices", "none", "brief")
        assert chosen.adapter == client.identity.adapter
    assert options_of(AdvisorConfig(), client)["adapter"] == client.identity.adapter


@pytest.mark.parametrize(
    ("options", "view"),
    [
        pytest.param(PromptOptions("choices"), View(), id="mode"),
        pytest.param(PromptOptions(examples="nearest"), View(), id="examples"),
        pytest.param(PromptOptions(labels="followed", examples="nearest"), View(), id="labels"),
        pytest.param(PromptOptions(calibration="none"), View(), id="calibration"),
        pytest.param(PromptOptions(), View(features=("trend", "volatility")), id="features"),
        pytest.param(PromptOptions(), View("numbers"), id="numbers"),
    ],
)
def test_what_is_set_keeps_its_question(client, options, view):
    advisor = ModelAdvisor(client, options=options, view=view)
    assert advisor.options.adapter == ""
    assert advisor.options.examples == "nearest"
    assert advisor.options.layout == "sheet"


def test_without_it_the_default_is_what_it_was(model_path, threads):
    with client_of(model_path, threads, adapter="none") as client:
        assert client.identity.adapter == ""
        options = ModelAdvisor(client).options
    assert (options.mode, options.examples, options.count, options.layout) == ("choices", "nearest", 2, "sheet")


def test_it_reads_regimes_of_paths_that_it_was_not_trained_on(client):
    ours, rules = Counter(), Counter()
    decisions = []
    for source in UNSEEN:
        assert source.partition("?")[0] not in [one for one in PATHS.sources if "seed=7" in one.split("&")]
        prices = load_prices(source)
        true = {time.isoformat(): str(label) for time, label in prices.true_regimes.items()}
        advisor = ModelAdvisor(client)
        for snapshot in snapshots(prices)[::EVERY]:
            decisions.append(advisor.decide(snapshot))
            ours[str(decisions[-1].advice.regime.label), true[snapshot.time]] += 1
            rules[str(causal_label(snapshot)), true[snapshot.time]] += 1
    assert all(decision.status is Status.ADVISED for decision in decisions)
    assert sum(decision.policy.coherent for decision in decisions) >= 0.98 * len(decisions)
    assert kappa(ours) > max(0.1, kappa(rules))
    assert client.prompt_tokens(advisor.last_requests[0]) <= 80
