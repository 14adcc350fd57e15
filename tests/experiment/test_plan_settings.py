"""The settings of a plan: read, written where they are set, and refused in one sentence."""

import pytest

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.named_analytics import named_analytics
from simulator.experiment.nulls import null_of

OWN = """
from llm_strategy import Analytic, Quantity

def measure(past):
    return {"days": float(len(past.closes.times))}

AGE = Analytic("age", "closes so far", 0, measure, {"days": Quantity("count", "closes")})
"""


def experiment(plan, **sections):
    return simulator.Experiment.from_mapping({"advisor": {"plan": plan}, "arms": ["llm", "buy_and_hold"]} | sections)


def test_a_plan_stands_in_the_document_only_where_it_is_set():
    plain = simulator.Experiment.from_mapping({"arms": ["llm"]})
    assert "plan" not in plain.as_dict()["advisor"]
    planned = experiment({})
    assert planned.as_dict()["advisor"]["plan"] == {"choose": 3, "tokens": 400, "when": "bar", "by": "model"}
    listed = experiment({"analytics": ["rsi", {"analogues": {"k": 2}}, "hurst"], "when": "regime"})
    again = simulator.Experiment.from_mapping(listed.as_dict())
    assert again == listed
    written = listed.as_dict()["advisor"]["plan"]["analytics"]
    assert written[0] == "rsi"
    assert written[1]["analogues"]["horizon"] == 20  # every option is written out


def test_the_warm_up_names_what_a_plan_may_look_back_on():
    short = {"trend": 50, "volatility_rank": 50, "drawdown": 50}
    config = simulator.Experiment.from_mapping(
        {"advisor": {"plan": {"analytics": ["rsi", "hurst"], "choose": 1}, "lookbacks": short}, "arms": ["llm"]}
    )
    assert (config.warm_up.bars, config.warm_up.cause) == (251, "hurst of advisor.plan")


def test_ones_own_analytic_is_found_beside_the_experiment(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    found = simulator.Experiment.from_mapping(
        {"advisor": {"plan": {"analytics": ["own.py:AGE", "rsi"], "choose": 1}}}, folder=tmp_path
    )
    assert found.advisor.menu.names == ("age", "rsi")
    assert named_analytics(found) == (f"{tmp_path / 'own.py'}:AGE", "rsi")


WRONG = {
    "an unknown analytic": (
        {"analytics": ["rsii"]},
        "names 'rsii', which is neither an analytic nor a source of context, d",
    ),
    "one named twice": ({"analytics": ["rsi", "rsi"]}, r"plan\.analytics names 'rsi' twice"),
    "more than there are": ({"analytics": ["rsi", "hurst"]}, r"plan\.choose is 3 and there are 2 analytics"),
    "too few tokens": (
        {"analytics": ["rsi", "hurst"], "choose": 1, "tokens": 20},
        r"plan\.tokens is 20, and the least that one of the analytics takes is 21 \(hurst\): allow at least so many",
    ),
    "none at all": ({"analytics": []}, r"plan.*analytics"),
    "the line itself": ({"analytics": ["features", "rsi"]}, r"names features, which nobody can choose"),
    "a source with a wrong option": ({"analytics": [{"analogues": {"kk": 2}}]}, r"'analogues' has no option 'kk'"),
    "an unknown moment": ({"when": "week"}, r"plan\.when is \"week\", it must be one of bar, run, regime"),
    "an unknown key": ({"chose": 2}, r"plan\.chose is an unknown key"),
    "no number": ({"choose": "two"}, r"plan\.choose"),
}


@pytest.mark.parametrize(("plan", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_plan_is_one_sentence(plan, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        experiment(plan)
    assert "\n" not in str(caught.value)


def test_what_is_shown_anyway_is_not_offered_and_a_plan_needs_the_line():
    with pytest.raises(ConfigurationError, match=r"analogues is shown at every close by context, and plan\.analytics"):
        AdvisorConfig(context=("features", "analogues"), plan={"analytics": ["analogues", "rsi"], "choose": 1})
    with pytest.raises(ConfigurationError, match=r"advisor\.context leaves the features out: add features"):
        _ = AdvisorConfig(context=("history",), plan={"choose": 1}).prompt_options


def test_what_a_plan_shows_is_not_passed_over_where_the_line_has_not_changed():
    with pytest.raises(ConfigurationError, match=r"decide_when is changed, .* new in the results of a plan: set it to"):
        AdvisorConfig(decide_when="changed", plan={"choose": 1})


@pytest.mark.parametrize("who", ["all", "fixed", "random"])
def test_a_null_by_one_word_makes_the_plan_without_a_model(who):
    config = AdvisorConfig(plan={"choose": 2})
    assert null_of(config, f"{who}_analytics", "arms.null").plan.by == who
    with pytest.raises(ConfigurationError, match=rf"arms\.null.*{who}_analytics is the null of a plan: write plan"):
        null_of(AdvisorConfig(), f"{who}_analytics", "arms.null")


@pytest.mark.parametrize(
    ("named", "told"),
    [("money_flow", "needs volumes, and the bars of .* have none"), ("breadth", "needs other symbols, and there is")],
)
def test_an_analytic_that_the_prices_cannot_feed_is_refused_at_the_start(tmp_path, named, told):
    prices = tmp_path / "prices.csv"
    rows = [f"2001-{month:02d}-{day:02d},{100 + day % 7},{101 + day % 7},{99 + day % 7},{100 + day % 7},0"
            for month in range(1, 13) for day in range(1, 28)]  # fmt: skip
    prices.write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    wanted = experiment({"analytics": [named, "rsi"], "choose": 1}, data={"source": f"csv:{prices}"})
    with pytest.raises(ConfigurationError, match=rf"llm: plan\.analytics names {named}, which {told}"):
        simulator.compare(wanted)
