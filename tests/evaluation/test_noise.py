"""Asked again: every question once more, the same gate and costs, and the mean over the draws with its error."""

import json
import shutil
from collections import Counter

import pandas as pd
import pytest
from drawn_record import add_draws, growing, unchanged
from journal_entries import advised, entry
from record_factory import write_comparison, write_run
from small_run import asks_advice, files, reader, recording, seal
from small_run import small as of_one_mood

import simulator
from llm_strategy.errors import (
    AnswerNotRecorded,
    AnswerTimeout,
    BudgetReached,
    ConfigurationError,
    RunFolderError,
    TooManyFailures,
)
from llm_strategy.llm import FolderStore, MemoryStore, Message, RecordingClient, Request
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.backends.openai.capabilities import Capabilities
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import request_hash
from simulator.evaluation.noise import count_flips, differing_pairs, spread
from simulator.folder.record import load_record
from simulator.reporting.explanation.parts import parts
from simulator.reporting.page import build_facts

pytestmark = pytest.mark.slow

ARMS = ["llm", "buy_and_hold", "regime_rule", "random"]
QUESTION = Request((Message("user", "The market is rising."),), temperature=0.8)


def small(tmp_path, **sections):
    """A run over a market that is above, near and below its average."""
    return of_one_mood(tmp_path, **{"data": {"source": "synthetic:cycles?bars=420&seed=8"}} | sections)


def wavering(request):
    """A reader that in its second draw is bold near the average, and in its third does not answer below it."""
    market = request.messages[-1].content
    near = "above" not in market and "below" not in market
    if request.draw == 2 and near:
        return reader(request) | {"label": "bull", "action": "enter_long", "rationale": "Near the average."}
    if request.draw == 3 and "below" in market and "above" not in market:
        return AnswerTimeout("No answer in time.")
    return reader(request)


def kind(prompt):
    return "above" if "above" in prompt else "below" if "below" in prompt else "near"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A comparison whose llm arm is drawn three times, and the model that answered."""
    client, model = recording(wavering)
    experiment = small(
        tmp_path_factory.mktemp("drawn"), arms=ARMS, advisor={"max_failure_rate": 1.0},
        evaluation={"bootstrap_samples": 200, "draws": 3},
    )  # fmt: skip
    return simulator.compare(experiment, client=client), model


# figures


@pytest.mark.parametrize(
    ("outcomes", "share"),
    [("aa", 0), ("ab", 1), ("aab", 2 / 3), ("abc", 1), ("aabb", 4 / 6), ("aaab", 3 / 6), ("aaaaa", 0)],
)
def test_the_share_of_differing_pairs(outcomes, share):
    assert differing_pairs(list(outcomes)) == pytest.approx(share)


def line(bar, request, label, action="hold", **more):
    return entry(bar=bar, request=request, advice=advised(label, action) if label else None, **more)


def test_flips_over_requests_and_over_bars_by_hand():
    first = [line(1, "x", "bull"), line(2, "y", "bear"), line(3, "y", "bear"), line(4, "y", "bear")]
    second = [line(1, "x2", "bear"), line(2, "y2", "bear"), line(3, "y2", "bear"), line(4, "y2", "bear", "exit")]
    flips = count_flips([first, second])
    assert (flips.states, flips.decisions) == (2, 4)
    assert (flips.label.states, flips.label.bars) == (0.5, 0.25)
    assert (flips.action.states, flips.action.bars) == (0.0, 0.25)


def test_no_answer_is_neither_a_hold_nor_a_rule_in_its_place():
    first = [line(1, "x", "sideways"), line(2, "y", "bull", "enter_long")]
    failed = {"reason": "timeout", "detail": "late"}
    second = [line(1, "x2", ""), line(2, "y2", "bull", "enter_long", instead_of=failed)]
    flips = count_flips([first, second])
    assert (flips.label.states, flips.action.states) == (1.0, 1.0)


def test_decisions_that_not_all_draws_made_are_left_out():
    flips = count_flips([[line(1, "x", "bull"), line(2, "y", "bear")], [line(1, "x2", "bull")]])
    assert (flips.states, flips.decisions, flips.label.bars) == (1, 1, 0.0)
    assert count_flips([[], []]).label.bars is None


def test_the_error_of_the_mean_falls_with_the_draws():
    found = spread([0.1, 0.4, 0.25])
    assert (found.lowest, found.highest, found.mean) == (0.1, 0.4, pytest.approx(0.25))
    assert found.deviation == pytest.approx(0.15)
    assert found.error == pytest.approx(0.15 / 3**0.5)
    assert spread([0.1, 0.4, 0.25] * 4).error < found.error / 1.9
    assert spread([0.1, None]) is None
    assert spread([0.1]) is None


# samples


def test_a_draw_is_another_question_on_record_and_the_first_is_the_old_one():
    identity = ScriptedClient([]).identity
    keys = {request_hash(Request(QUESTION.messages, draw=draw), identity) for draw in (0, 2, 3)}
    assert len(keys) == 3
    assert request_hash(Request(QUESTION.messages), identity) in keys


def test_each_draw_has_a_seed_of_its_own_that_follows_from_the_first():
    def seeds(seed, text="The market is rising."):
        return [Request((Message("user", text),), seed=seed, draw=draw).sampling_seed for draw in (0, 2, 3)]

    assert seeds(5)[0] == 5
    assert len({*seeds(5), *seeds(6)[1:], *seeds(5, "The market is falling.")[1:]}) == 7
    assert seeds(5) == seeds(5)
    assert seeds(None) == [None] * 3
    fixed = [Request(QUESTION.messages, draw=draw).fixed_seed for draw in (0, 2)]
    assert len(set(fixed)) == 2
    assert all(0 <= seed < 2**31 for seed in fixed + seeds(5))


def test_a_server_is_sent_the_seed_of_the_draw_and_none_where_there_is_none():
    def sent(**fields):
        return Capabilities().body("m", Request(QUESTION.messages, **fields)).get("seed")

    assert (sent(seed=5), sent(), sent(draw=2)) == (5, None, None)
    assert sent(seed=5, draw=2) == Request(QUESTION.messages, seed=5, draw=2).sampling_seed


# runs


def test_each_further_draw_asks_every_distinct_question_again_once(drawn):
    result, model = drawn
    asked = Counter(request.draw for request in model.requests if asks_advice(request) and not wavering_fails(request))
    states = {decision["prompt"] for decision in result.record.arm("llm").decisions}
    below = {prompt for prompt in states if kind(prompt) == "below"}
    assert asked == {0: len(states), 2: len(states), 3: len(states - below)}
    assert [request for request in model.requests if request.draw and not asks_advice(request)] == []


def wavering_fails(request):
    return isinstance(wavering(request), Exception)


def test_the_flip_rates_are_those_computed_by_hand(drawn):
    result, _ = drawn
    bars = Counter(kind(decision["prompt"]) for decision in result.record.arm("llm").decisions)
    states = Counter(kind(prompt) for prompt in {d["prompt"] for d in result.record.arm("llm").decisions})
    assert min(bars.values()) > 0
    for counts, name in ((states, ""), (bars, "_by_bars")):
        share = 2 / 3 * (counts["near"] + counts["below"]) / counts.total()  # one of three draws differs
        assert result.facts[f"noise.label_flips{name}"].value == pytest.approx(share)
        assert result.facts[f"noise.action_flips{name}"].value == pytest.approx(share)
    assert result.facts["noise.states"].value == states.total()
    assert result.facts["noise.decisions"].value == bars.total()


def test_the_spread_is_that_of_the_accounts(drawn):
    result, _ = drawn
    arm = result.record.arm("llm")
    ends = [
        table["equity"].iloc[-1] / table["equity"].iloc[0] - 1 for table in (arm.equity, *(d.equity for d in arm.draws))
    ]
    assert len(set(ends)) == 3
    facts = result.facts
    assert facts["noise.return_lowest"].value == pytest.approx(min(ends))
    assert facts["noise.return_mean"].value == pytest.approx(sum(ends) / 3)
    assert facts["noise.return_error"].value == pytest.approx(pd.Series(ends).std() / 3**0.5)
    assert facts["noise.return_deviation"].value == pytest.approx(pd.Series(ends).std())
    assert facts["noise.sharpe_lowest"].value <= facts["llm.sharpe"].value <= facts["noise.sharpe_highest"].value


def test_the_draws_are_evidence_of_the_llm_arm_alone(drawn):
    result, _ = drawn
    assert {path.parent.name for path in result.folder.rglob("draw-*")} == {"llm"}
    hashed = json.loads((result.folder / "llm" / "manifest.json").read_text())["files"]
    assert {"draw-2/decisions.jsonl", "draw-3/equity.csv"} <= hashed.keys()
    assert len(hashed) == 13


def test_the_first_draw_is_the_run_without_draws(drawn, tmp_path):
    result, _ = drawn
    alone = simulator.compare(
        small(tmp_path, arms=ARMS, advisor={"max_failure_rate": 1.0}), client=recording(wavering)[0]
    )
    same = [name for name in files(alone.folder) if name.endswith((".csv", ".jsonl")) and "audit" not in name]
    assert len(same) == 17
    assert [name for name in same if files(alone.folder)[name] != files(result.folder)[name]] == []


def test_a_drawn_run_replays_byte_for_byte(drawn, tmp_path):
    result, _ = drawn
    checks = simulator.replay(result.folder)
    assert [check.name for check in checks if not check.same] == []
    assert {"llm/draw-2/decisions.jsonl", "llm/draw-3/orders.csv"} <= {check.name for check in checks}
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    changed = copy / "llm" / "draw-3" / "decisions.jsonl"
    lines = changed.read_text().splitlines()
    changed.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RunFolderError, match=r"llm/draw-3/decisions\.jsonl in .* was changed after the run"):
        simulator.replay(copy)
    with pytest.raises(AnswerNotRecorded, match="one more was asked"):
        simulator.replay(seal(copy))


def test_a_single_arm_is_drawn_too(tmp_path):
    experiment = small(tmp_path, evaluation={"draws": 2})
    result = simulator.run(experiment, client=recording()[0])
    assert (result.folder / "draw-2" / "decisions.jsonl").exists()
    assert all(check.same for check in simulator.replay(result.folder))
    assert "the same Sharpe ratio" in result.report.with_suffix(".md").read_text()
    assert result.facts["noise.sharpe_error"].value == 0
    rule = simulator.run(experiment, "momentum")
    assert not (rule.folder / "draw-2").exists()
    assert "noise.draws" not in rule.facts


def test_what_was_asked_is_counted_over_all_draws(drawn):
    result, model = drawn
    usage = json.loads((result.folder / "llm" / "manifest.json").read_text())["usage"]
    states = result.facts["noise.states"].value
    assert usage["decisions"] == usage["questions"] == 3 * 151
    assert usage["distinct"] == 3 * states
    assert usage["asked"] == len([request for request in model.requests if asks_advice(request)])


def test_a_run_cut_off_in_its_second_draw_goes_on(tmp_path):
    store = FolderStore(tmp_path / "answers")
    states = len({request.messages for request in first_run(tmp_path).requests})
    budget = {"max_calls": states + 3}
    experiment = {"arms": ["llm", "buy_and_hold"], "evaluation": {"draws": 2}}
    client, model = recording(store=store)
    with pytest.raises(BudgetReached):
        simulator.compare(small(tmp_path, advisor={"budget": budget}, **experiment), client=client)
    assert Counter(request.draw for request in model.requests) == {0: states, 2: 3}
    client, again = recording(store=store)
    result = simulator.compare(small(tmp_path, **experiment), client=client)
    assert Counter(request.draw for request in again.requests if asks_advice(request)) == {2: states - 3}
    assert all(check.same for check in simulator.replay(result.folder))


def first_run(tmp_path):
    client, model = recording()
    simulator.run(
        small(tmp_path / "first", output={"folder": str(tmp_path / "first"), "explain": False}), client=client
    )
    return model


def test_a_refreshing_run_cut_off_in_its_second_draw_does_not_begin_again(tmp_path):
    store = FolderStore(tmp_path / "answers")
    asked = []

    def interrupted(request):
        if sum(one.draw == 2 for one in asked) == 4:
            raise KeyboardInterrupt
        asked.append(request)
        return reader(request)

    experiment = small(tmp_path, arms=["llm", "buy_and_hold"], advisor={"answers": "refresh"}, evaluation={"draws": 2})
    with pytest.raises(KeyboardInterrupt):
        simulator.compare(experiment, client=recording(interrupted, store, "refresh")[0])
    client, model = recording(reader, store, "refresh")
    simulator.compare(experiment, client=client)
    assert not set(asked) & {request for request in model.requests if asks_advice(request)}


def test_the_estimate_counts_all_draws(tmp_path):
    told = []
    client, model = recording()
    result = simulator.run(small(tmp_path, evaluation={"draws": 3}), client=client, on_estimate=told.append)
    assert told[0].decisions == 3 * 151
    assert (
        told[0].to_ask
        == len([request for request in model.requests if asks_advice(request)])
        == 3 * result.facts["noise.states"].value
    )
    assert "decisions of 3 draws" in told[0].as_text()


def test_a_draw_that_fails_too_often_fails_the_run(tmp_path):
    def second_fails(request):
        return AnswerTimeout("No answer in time.") if request.draw == 2 else reader(request)

    experiment = small(tmp_path, arms=["llm", "buy_and_hold"], evaluation={"draws": 2})
    with pytest.raises(TooManyFailures, match=r"^Draw 2: 151 of 151 decisions failed"):
        simulator.compare(experiment, client=recording(second_fails)[0])
    sooner = small(tmp_path, advisor={"abort_above_failure_rate": True}, evaluation={"draws": 2})
    with pytest.raises(TooManyFailures, match=r"^Draw 2: 8 of 8 decisions failed.* The run was ended there"):
        simulator.run(sooner, client=recording(second_fails)[0])


@pytest.mark.parametrize("draws", ["0", "-1", "1.5", "two", "true", "101"])
def test_a_wrong_number_of_draws_is_one_sentence(draws):
    with pytest.raises(ConfigurationError, match=r"evaluation\.draws is") as caught:
        simulator.Experiment.from_text(f"evaluation: {{draws: {draws}}}")
    assert "\n" not in str(caught.value)
    assert simulator.Experiment.from_text("evaluation: {draws: 2.0}").further_draws == range(2, 3)


# the page


def facts_of(made):
    return build_facts(load_record(made.folder))


def leading(folder, changes=()):
    """A comparison whose llm arm is far ahead of all others, with further draws."""
    made = write_comparison(folder, arms=("llm", "buy_and_hold", "regime_rule"))
    path = folder / "llm" / "equity.csv"
    _, ahead = growing(0.004)([], pd.read_csv(path))
    ahead.to_csv(path, index=False)
    seal(folder)
    return add_draws(made, changes) if changes else made


def test_draws_that_disagree_widen_the_interval_and_more_of_them_narrow_it_again(tmp_path):
    once = facts_of(leading(tmp_path / "once"))
    assert once["llm-buy_and_hold.verdict"].text == "better"

    made = leading(tmp_path / "noisy", [growing(-0.006)])
    facts = facts_of(made)
    assert facts["llm-buy_and_hold.verdict"].text == "inconclusive"
    width, before = (
        found["llm-buy_and_hold.high"].value - found["llm-buy_and_hold.low"].value for found in (facts, once)
    )
    assert width > before + 2 * facts["noise.sharpe_error"].value
    whole = simulator.rebuild_report(made.folder).with_suffix(".md").read_text()
    assert "Asked everything again (2 draws), the annual Sharpe ratio of llm came to" in whole.split("\n## ")[0]
    assert "their intervals hold its error beside that of the market's path" in whole
    told = [item.template for part in parts(facts) for item in part.items]
    assert any("Asked everything again, the annual Sharpe" in template for template in told)

    many = facts_of(leading(tmp_path / "many", [growing(-0.006), *[unchanged, growing(-0.006)] * 4]))
    assert many["noise.sharpe_error"].value < facts["noise.sharpe_error"].value / 2
    assert many["llm-buy_and_hold.high"].value - many["llm-buy_and_hold.low"].value < width / 2

    steady = facts_of(leading(tmp_path / "steady", [unchanged, unchanged]))
    assert steady["llm-buy_and_hold.verdict"].text == "better"
    assert steady["noise.sharpe_deviation"].value == 0


def test_a_draw_that_never_moved_settles_nothing(tmp_path):
    def flat(decisions, equity):
        return decisions, equity.assign(equity=100_000.0)

    facts = facts_of(leading(tmp_path, [flat]))
    assert facts["noise.sharpe_mean"].text == "n/a"
    assert facts["run.verdict"].text == "cannot tell"
    assert facts["llm-buy_and_hold.sharpe_difference"].text == "n/a"


def test_greedy_and_scored_draws_are_called_a_repeat_check(tmp_path):
    for temperature, told in ((0.0, "this is a repeat check"), (0.8, "samples its answers")):
        made = add_draws(write_run(tmp_path / str(temperature)), [growing(0.001)], temperature)
        text = simulator.rebuild_report(made.folder).with_suffix(".md").read_text()
        assert told in text
        assert f"at temperature {temperature:g}" in text


# the real model


def drawn_by_the_model(tmp_path, model_path, mode, **sampler):
    """A short run of two draws through llama.cpp; the result and how often the model was asked."""
    simulator.load_prices("sample:nasdaq").window("2002-01-01").write_csv(tmp_path / "whole.csv")
    (tmp_path / "mine.csv").write_text("\n".join((tmp_path / "whole.csv").read_text().splitlines()[:273]) + "\n")
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(2048, threads=1))) as model:
        model.defaults = Request((), timeout_s=120, **sampler)
        client = RecordingClient(model, model.identity, MemoryStore())
        experiment = small(
            tmp_path, data={"source": f"csv:{tmp_path / 'mine.csv'}"},
            evaluation={"draws": 2, "bootstrap_samples": 100, "placebos": 19},
            advisor={"mode": mode, "examples": "none", "style": "numbers", "max_failure_rate": 1.0},
            output={"folder": str(tmp_path), "explain": False},
        )  # fmt: skip
        result = simulator.run(experiment, client=client)
    assert all(check.same for check in simulator.replay(result.folder))
    return result, client.usage


def test_the_model_asked_twice_greedily_answers_alike(tmp_path, model_path):
    result, usage = drawn_by_the_model(tmp_path, model_path, "choices")
    arm = result.record.arms[0]
    first, second = ({d["request"] for d in decisions} for decisions in (arm.decisions, arm.draws[0].decisions))
    assert len(first) == len(second) == result.facts["noise.states"].value >= 3
    assert not first & second
    assert usage.asked >= len(first | second)
    assert result.facts["noise.label_flips"].value == result.facts["noise.action_flips"].value == 0
    assert (result.folder / "equity.csv").read_bytes() == (result.folder / "draw-2" / "equity.csv").read_bytes()


def test_the_model_asked_twice_at_a_temperature_gives_another_sample(tmp_path, model_path):
    result, _ = drawn_by_the_model(tmp_path, model_path, "slots", temperature=1.5, seed=3)
    arm = result.record.arms[0]
    drawn = list(zip(arm.decisions, arm.draws[0].decisions, strict=True))
    assert any(one["answer"] != other["answer"] for one, other in drawn), "a short answer may come twice"
    labels = [[d["advice"] and d["advice"]["regime"]["label"] for d in pair] for pair in drawn]
    flips = sum(one != other for one, other in labels) / len(labels)
    assert result.facts["noise.label_flips_by_bars"].value == pytest.approx(flips)
