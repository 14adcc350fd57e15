"""``btllm brief``: what a model says of a market at a close, shown only where measured figures back it."""

import json
import re
import shutil
from itertools import product

import pytest
from command_line import only_error, write_experiment
from explaining_author import facts_in, sentence
from markupsafe import escape
from small_run import reader, recording, seal, small

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.analytics.registry import vocabulary
from llm_strategy.support.condition import Condition, Quantity
from simulator import Result, compare, rebuild_report, replay
from simulator.prices.load import load_prices
from simulator.reporting.brief.brief import Close, write_brief
from simulator.reporting.brief.figures import ADVERSE, Figure, facts_of, quantities_of
from simulator.reporting.explanation.prose import Reader
from simulator.reporting.explanation.relations import ELEVATED, Claim, Known, UnbackedError
from simulator.reporting.explanation.vocabulary import DIRECTIONS
from simulator.runs.briefs.brief import brief_at

PLANS = {"decide_every": 20, "plan": {"choose": 2, "analytics": ["returns_by_horizon", "volatility_cone", "tails"]}}


def copied(request):
    """A model that looks at the tails and the returns, writes of the first figure that it is shown, and else reads."""
    if any(getattr(part, "name", "") == "analytic_1" for part in request.form):
        menu = dict(reversed(pair) for pair in re.findall(r"^(\d+)\.? (\w+):", request.messages[0].content, re.M))
        return {"analytic_1": menu["tails"], "analytic_2": menu["returns_by_horizon"]}
    if request.form:
        return reader(request)
    shown = facts_in(request)
    if not shown:  # statements to test hold no fact
        return {"hypotheses": []}
    name, label = next(iter(shown.items()))
    return {"sentences": [sentence(f"The market's {label} is {{{name}}}")]}


def sentences(brief):
    return [sentence for paragraph in brief.told["paragraphs"] for sentence in paragraph["sentences"]]


def figure(analytic, output, value, unit="fraction", direction="", text="return over the last bars"):
    return Figure(analytic, output, value, Quantity(unit, text, direction=direction))


FALL = figure("returns", "bars_20", -0.282, direction="change", text="return over the last 20 bars")
RANK = figure("market", "volatility_rank", 0.992, direction="rank", text="share of earlier bars with lower volatility")
VOLUME = figure("market", "volume_ratio", 1.57, "ratio", "mean", "ratio of the volume to its mean")
FLAT = figure("returns", "bars_5", 0.0004, direction="change", text="return over the last 5 bars")
FIGURES = (RANK, VOLUME, FALL, FLAT)


SIDES = ("rose", "fell", "above its mean", "below its mean", "higher than usual", "lower than usual")
NAMES = {"market": "market", "the market": "market"}


def told(said, claims=(), figures=FIGURES):
    """The brief of a model that writes one sentence, wherever it may, with these claims."""
    close = Close("SPX", "2008-10-10T00:00:00", "llm", figures, ("returns",), "model")
    claimed = [{"relation": relation, "facts": [f"model.brief.{name}"]} for relation, name in claims]
    about = [*re.findall(r"{(.+?)}", said), *(name for claim in claimed for name in claim["facts"])]
    answer = {"sentences": [{"text": said, "claims": claimed}]}

    def write(request):
        is_there = not about or f"- {about[0]}:" in request.messages[1].content
        return answer if said and is_there else {"sentences": []}

    return write_brief(close, ScriptedClient(write, supports_forms=False))


@pytest.mark.parametrize(
    ("said", "claims", "shown"),
    [
        ("The market's return over the last 20 bars is {model.brief.returns.bars_20}, falling",
         [("fell", "returns.bars_20")], "The market's return over the last 20 bars is -28.2%, falling."),
        ("The return over the last 20 bars of the market fell, and is {model.brief.returns.bars_20}",
         [("fell", "returns.bars_20")], "The return over the last 20 bars of the market fell, and is -28.2%."),
        ("The market's return over the last 20 bars is negative", [("negative", "returns.bars_20")],
         "The market's return over the last 20 bars is negative."),
        ("The market's share of earlier bars with lower volatility is unusually high",
         [("much higher than usual", "market.volatility_rank")],
         "The market's share of earlier bars with lower volatility is unusually high."),
        ("The market's ratio of the volume to its mean is above its mean", [("above its mean", "market.volume_ratio")],
         "The market's ratio of the volume to its mean is above its mean."),
    ],
    ids=["falling", "fell", "negative", "unusually high", "above its mean"],
)  # fmt: skip
def test_a_direction_that_the_figures_have_is_shown(said, claims, shown):
    assert shown in {one["text"] for one in sentences(told(said, claims)) if one["source"] == "model"}


@pytest.mark.parametrize(
    ("said", "claims", "why"),
    [
        ("The market's return over the last 20 bars is rising", [("rose", "returns.bars_20")], "the facts do not say"),
        ("The market's return over the last 20 bars, {model.brief.returns.bars_20}, is rising", [], "needs a claim"),
        ("The market's return over the last 20 bars is lower than usual", [("lower than usual", "returns.bars_20")],
         "has no such direction"),
        ("The market's return over the last 5 bars is rising", [("rose", "returns.bars_5")], "the facts do not say"),
        ("The market's return over the last 5 bars is falling", [("fell", "returns.bars_20")], "no checked claim"),
        ("The market's return over the last 5 bars is {model.brief.returns.bars_20}", [], "the words at"),
        ("The market's return over the last 20 bars, {model.brief.returns.bars_20}, is 28.3", [], "no word"),
        ("The market's return over the last 20 bars will fall", [("fell", "returns.bars_20")], "forecasts"),
    ],
    ids=["rose", "unclaimed", "no rank", "flat", "another", "another figure", "number", "forecast"],
)  # fmt: skip
def test_a_direction_that_they_do_not_have_is_refused_and_the_program_tells_instead(said, claims, why):
    made = told(said, claims)
    refused = [one for paragraph in made.told["paragraphs"] for one in paragraph["refused"]]
    assert any(one["text"] == said and why in one["why"] for one in refused), refused
    assert {one["source"] for one in sentences(made)} == {"program"}


def test_of_all_words_for_a_direction_just_those_are_shown_that_the_figure_has():
    measured = {"rose": "change", "fell": "change", "above its mean": "mean", "below its mean": "mean"}
    for value, direction, unit in product(
        (-0.4, 0.0, 0.3, 0.8, 1.4), ("change", "mean", "rank"), ("fraction", "ratio")
    ):
        one = figure("returns", "bars_20", value, unit, direction)
        reader = Reader(Known(facts_of([one]), facts_of([one]), quantities_of([one])), NAMES, "market")
        middle = 0.5 if direction == "rank" else 1.0 if (direction, unit) == ("mean", "ratio") else 0.0
        side = (value > middle) - (value < middle)
        for word, senses in DIRECTIONS.items():
            relation = next((sense for sense in senses[::-1] if sense in (*measured, *SIDES) or "usual" in sense), None)
            if relation is None:
                continue
            try:
                reader.read(
                    f"The market's return over the last bars is {{{one.id}}}, {word}", [Claim(relation, (one.id,))]
                )
                shown = True
            except UnbackedError:
                shown = False
            wanted = 1 if relation in ("rose", "above its mean") or "higher" in relation else -1
            far = abs(value - middle) >= ELEVATED - 1e-9 or "much" not in relation
            right = direction == measured.get(relation, "rank")
            assert shown == (right and side == wanted and far), (one, word)


def test_what_is_deep_restless_or_missing_is_told_whatever_the_model_says():
    missing = figure("returns", "bars_60", None, text="return over the last 60 bars")
    for said in (
        "",
        "All is well",
        "The market's ratio of the volume to its mean is {model.brief.market.volume_ratio}",
    ):
        texts = " ".join(one["text"] for one in sentences(told(said, (), (RANK, VOLUME, FALL, missing))))
        assert "share of earlier bars with lower volatility is +99.2%, higher than usual" in texts
        assert "Not known at this close: return over the last 60 bars." in texts


def test_the_fields_that_must_not_be_missed_are_those_of_analytics():
    known = vocabulary()
    for text in ADVERSE:
        Condition.parse(text, known, "a brief")


def test_every_number_of_a_brief_is_a_figure_and_its_own_sentences_pass_the_check(tmp_path):
    client, _ = recording(copied)
    made = brief_at(small(tmp_path, advisor=PLANS), client=client)
    assert (made.close.chosen, made.close.chosen_by) == (("tails", "returns_by_horizon"), "model")
    written = [one for one in sentences(made) if one["source"] == "model"]
    assert written
    assert made.told["counts"]["refused"] == 0
    for one in sentences(made):
        texts = " ".join(made.facts[name].text + made.facts[name].label for name in one["facts"])
        assert set(re.findall(r"\d[\d.,]*\d%?|\d", one["text"])) <= set(re.findall(r"\d[\d.,]*\d%?|\d", texts)), one


def test_nothing_after_the_close_changes_a_byte_and_nothing_of_the_mask_is_said(tmp_path):
    path = tmp_path / "prices.csv"
    loaded = load_prices("synthetic:cycles?bars=420&seed=5").table
    loaded.to_csv(path)
    wanted = small(tmp_path, data={"source": f"csv:{path}"}, advisor=PLANS)
    at = str(loaded.index[350].date())
    client, model = recording(copied)
    before = brief_at(wanted, at, client=client)
    loaded.iloc[351:, :4] *= 3.0
    loaded.to_csv(path)
    assert brief_at(wanted, at, client=client).as_json() == before.as_json()
    assert len(model.requests) == 1 + len(before.told["requests"])  # asked once
    said = " ".join(message.content for request in model.requests for message in request.messages)
    for hidden in (before.close.symbol, at, f"{loaded['close'].iloc[350]:.2f}"):
        assert hidden not in said


RANDOM = """import random
from llm_strategy import Analytic, Quantity
DICE = Analytic("dice", "a die", 2, lambda past: {"eye": random.random()}, {"eye": Quantity("ratio", "its eye")})
"""


def test_a_persons_own_analytic_is_tried_before_a_brief_asks_about_it(tmp_path):
    (tmp_path / "mine.py").write_text(RANDOM)
    plan = {"choose": 1, "analytics": ["tails", f"{tmp_path / 'mine.py'}:DICE"]}
    client, model = recording(copied)
    with pytest.raises(ConfigurationError, match="DICE' is not deterministic"):
        brief_at(small(tmp_path, advisor={"plan": plan}), client=client)
    assert not model.requests


def test_a_close_between_bars_is_the_last_before_it_and_outside_the_data_is_none(btllm, tmp_path, monkeypatch):
    write_experiment(tmp_path, data={"source": "sample:sp500", "start": "2008-06-02", "end": "2008-12-31"})
    monkeypatch.setenv("LLM_BACKEND", "local_llama")
    monkeypatch.setenv("LLM_INSTRUCT_MODEL_PATH", str(tmp_path / "none.gguf"))
    code, out, _ = btllm("brief", "--at", "2008-10-12", "--json")
    assert (code, json.loads(out)["time"]) == (0, "2008-10-10T00:00:00")
    for at in ("1990-01-01", "2030-01-01"):
        assert "possible from 2008-06-02 to" in only_error(btllm("brief", "--at", at), 2)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    client, model = recording(copied)
    arms = ["llm", "buy_and_hold"]
    made = compare(small(tmp_path_factory.mktemp("briefs"), advisor=PLANS, arms=arms), client=client)
    return made, client, model


def test_the_page_of_an_arm_that_plans_has_the_brief_of_its_last_decision_and_is_replayed(planned):
    made, _, _ = planned
    kept = made.brief()
    last = max(entry.decision.snapshot.time for entry in made.record.arm("llm").entries)
    assert (kept.close.time, kept.close.chosen) == (last, ("tails", "returns_by_horizon"))
    page, markdown = made.report.read_text(), (made.folder / "report.md").read_text()
    assert "The market at the last decision of llm" in page
    assert "model" in {one["source"] for one in sentences(kept)}
    for one in sentences(kept):
        assert escape(one["text"]) in re.sub(r"<[^>]+>", "", page)
        assert one["text"] in markdown
    for identity, fact in kept.facts.items():
        assert made.facts[identity] == fact
    checks = replay(made.folder)
    assert all(check.same for check in checks)
    assert "brief.json" in {check.name for check in checks}


def test_a_notebook_shows_the_brief_of_any_close_and_asks_nothing_twice(planned):
    made, client, model = planned
    entries = [entry.decision for entry in made.record.arm("llm").entries]
    asked = len(model.requests)
    shown = made.brief(entries[-2].snapshot.time[:10], client=client)
    assert shown.close.chosen == entries[-2].plan
    assert len(model.requests) - asked == len(shown.told["requests"])  # and no plan
    asked = len(model.requests)
    assert made.brief(entries[-2].snapshot.time[:10], client=client).as_json() == shown.as_json()
    assert len(model.requests) == asked
    for text in (str(shown), shown._repr_html_(), shown._repr_markdown_()):
        assert "returns by horizon" in text
    with pytest.raises(ConfigurationError, match="possible from"):
        made.brief("1950-01-01", client=client)


def test_a_brief_that_was_changed_is_found_even_under_a_new_seal(planned, tmp_path):
    made, _, _ = planned
    folder = tmp_path / made.folder.name
    shutil.copytree(made.folder, folder)
    path = folder / "brief.json"
    kept = path.read_text()
    path.write_text(kept.replace("The market's", "No market's", 1))
    assert path.read_text() != kept
    with pytest.raises(RunFolderError, match=r"brief\.json"):
        rebuild_report(folder)
    seal(folder)
    with pytest.raises(RunFolderError, match=r"brief\.json"):
        rebuild_report(folder)
    rebuild_report(folder, anyway=True)
    assert "evidence changed since the run: brief.json" in (folder / "report.html").read_text()
    document = json.loads((made.folder / "brief.json").read_text())
    document["figures"][1]["direction"] = "sideways"
    path.write_text(json.dumps(document))
    with pytest.raises(RunFolderError, match=r"restore it, or run the experiment again\.$"):
        rebuild_report(folder, anyway=True)
    for wrong in ("{}", "[]", '{"figures": 3}', "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")):
        path.write_text(wrong)
        with pytest.raises(RunFolderError, match="restore it, or run the experiment again"):
            Result.load(folder).brief()
