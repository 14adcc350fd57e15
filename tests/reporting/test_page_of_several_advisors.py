"""A comparison of several advisors: the figures of each, where they part, their nulls, and a page that can be read."""

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from drawn_record import add_draws, growing
from page_parser import Page, text_of
from record_factory import EXPLANATION, write_comparison, write_run
from small_run import recording, small

from simulator import Result, compare, replay
from simulator.folder.record import load_record
from simulator.reporting.charts.layers import ARM, HUES, dash_of
from simulator.reporting.explanation.explain import explain
from simulator.reporting.explanation.parts import parts
from simulator.reporting.facts.advisors import BEYOND_NOISE, DIFFERENT, SAME, WITHIN_NOISE
from simulator.reporting.facts.fact import write_facts
from simulator.reporting.facts.pairs import BETTER, NOT_TOLD_APART, WORSE
from simulator.reporting.page import build_facts, render

pytestmark = pytest.mark.slow

ADVISORS = ("small", "twin", "large", "shuffled")
SETTINGS = {
    "small": {"advisor": "small"},
    "twin": {"advisor": "twin"},
    "large": {"advisor": "large"},
    "shuffled": {"advisor": "large", "null": "shuffled_labels", "null_of": "large"},
    "buy_and_hold": None,
    "regime_rule": None,
    "donchian": {"strategy": "mine:Donchian"},
    "market": {"ungated": "buy_and_hold"},
}


def write_several(folder, settings=SETTINGS, advisors=ADVISORS, **how):
    made = {"bars": 420, "samples": 100, "twins": ("twin",)} | how
    return write_comparison(folder, arms=tuple(settings), advisors=advisors, settings=settings, **made)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_several(tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="module")
def record(made):
    return load_record(made.folder)


@pytest.fixture(scope="module")
def facts(record):
    return build_facts(record)


@pytest.fixture(scope="module")
def report(record, facts):
    return render(record, facts, EXPLANATION)


def section(report, name):
    """A section of the Markdown report, by its heading."""
    return report.markdown.split(f"\n## {name}\n")[1].split("\n## ")[0]


def answers(folder, arm):
    """Label and action of each close that the arm decided, straight from the file."""
    lines = map(json.loads, (folder / arm / "decisions.jsonl").read_text().splitlines())
    return {
        line["time"]: line["advice"] and (line["advice"]["regime"]["label"], line["advice"]["action"]["type"])
        for line in lines
    }


def kappa_by_hand(pairs):
    total = len(pairs)
    same = sum(one == other for one, other in pairs) / total
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[name] * second[name] for name in first) / total**2
    return (same - chance) / (1 - chance)


def test_each_advisor_has_its_own_figures_by_name(facts):
    for name in ADVISORS:
        for metric in ("valid_share", "coherent_share", "life", "usage.asked", "noise.draws", "verdict", "model"):
            assert f"{name}.{metric}" in facts
        assert f"{name}-regime_rule.label_kappa" in facts, "agreement with the causal rule"
    assert facts["run.subject"].value == "small", "the first advisor is the primary one"
    assert "donchian.usage.asked" not in facts
    assert facts["model.asked"].value == sum(facts[f"{name}.usage.asked"].value for name in ADVISORS)


def test_pairs_are_what_the_journals_say(made, facts):
    first, second = (answers(made.folder, arm) for arm in ("small", "large"))
    both = [(first[time], second[time]) for time in first if first[time] and second[time]]
    subject = "pair.small.large"
    assert facts[f"{subject}.both"].value == len(both)
    assert facts[f"{subject}.first_alone"].value == sum(bool(first[time]) and not second[time] for time in first)
    for at, name in enumerate(("label", "action")):
        chosen = [(one[at], other[at]) for one, other in both]
        same = sum(one == other for one, other in chosen) / len(chosen)
        assert facts[f"{subject}.{name}_agreement"].value == pytest.approx(same)
        assert facts[f"{subject}.{name}_kappa"].value == pytest.approx(kappa_by_hand(chosen))
        low, high = (facts[f"{subject}.{name}_kappa_{end}"].value for end in ("low", "high"))
        assert low < kappa_by_hand(chosen) < high
    parted = next(time for time in first if first[time] and second[time] and first[time] != second[time])
    assert facts[f"{subject}.first_parting"].value.startswith(parted.removesuffix("T00:00:00"))


def test_twins_cannot_be_told_apart(facts, report):
    assert facts["pair.small.twin.verdict"].value == SAME
    assert facts["small-twin.sharpe_difference"].value == 0
    told = section(report, "Advisors beside each other")
    assert "not one differs. By their decisions the two cannot be told apart." in told
    assert "Both accounts earned the same on every bar." in told
    assert facts["pair.small.large.verdict"].value == DIFFERENT, "without further draws nobody knows the noise"
    assert "was not measured (evaluation.draws)" in told


def test_the_page_is_whole(facts, report):
    page = Page(report.html)
    assert page.problems == []
    assert re.findall(r"\S*\d\S*", page.said) == []
    shown = {**facts, **{name: None for name, _ in page.facts if name.startswith("explanation.")}}
    assert [name for name, text in page.facts if shown[name] and shown[name].text != text] == []
    assert len(page.ids) == len(set(page.ids))
    for text in (text_of(report.html), report.markdown):
        assert not re.search(r"\b(None(?! of these)|nan|NaN|True|False)\b", text)
        assert not re.search(r"\{\w", text)


def test_the_first_lines_are_about_the_primary_and_tell_of_the_others(report):
    first = re.sub(r"\s+", " ", report.markdown.split("\n## ")[0])
    assert "This is about small, the primary one of 4 arms that ask a model. The others:" in first
    lines = [line for line in report.markdown.split("\n## ")[0].splitlines() if "Same label as" in line]
    assert [line.split("*")[1] for line in lines] == ["twin", "large", "shuffled"]
    assert all(line.startswith("- *") and "Same label as small on" in line for line in lines)
    assert "It is the null of large (shuffled labels): " in lines[2]
    assert "Against donchian" in first, "a person's own strategy is answered on the first screen"
    assert "*Against the market:*" in first, "so is what the market did without a gate"
    assert "*Against the rule:*" in first


def test_an_arm_without_a_gate_is_named_so_and_the_gate_does_not_speak_of_it(report):
    assert "| market (no gate) |" in section(report, "Arms")
    gate, holder = section(report, "What the risk gate did").split("### What the gate alone does to a holder")
    assert "market" not in gate
    assert "| donchian |" in gate
    assert "it is no market, and no verdict rests on it" in holder


def test_arms_without_labels_have_no_row_among_the_regimes(report):
    regimes = section(report, "Regimes")
    assert {line.split("|")[1].strip() for line in regimes.splitlines() if "| bull |" in line} == {
        "small", "regime_rule"
    }  # fmt: skip
    assert all(f"| {name} |" in regimes for name in ADVISORS)
    assert not re.search("donchian|market", regimes)


@pytest.mark.parametrize("kind", ["strategy", "ungated"])
def test_the_page_of_an_arm_without_a_model_says_no_nonsense_of_labels(made, kind):
    arm = {"strategy": "donchian", "ungated": "market"}[kind]
    record = load_record(made.folder / arm)
    report = render(record, build_facts(record), None)
    assert "Regimes" not in report.markdown
    assert "regimes seen by" not in report.html
    first = report.markdown.split("\n## ")[0]
    assert {"strategy": "the strategy donchian alone", "ungated": "market, without a gate, alone"}[kind] in first


def test_each_advisor_is_asked_after_in_the_sections_on_decisions_and_models(report):
    for name in ("Decisions of small", "Models and cache", "Asked again", "Advisors beside each other"):
        assert f"\n## {name}\n" in report.markdown
    for advisor in ADVISORS:
        assert f"| {advisor} |" in section(report, "Models and cache")
        assert f"| {advisor} |" in section(report, "Decisions of small")
    assert "Decisions of large, and where its advice changed last" in text_of(report.html)


def shown_null(record, facts, verdict, low, high):
    """The sentence on the null where the test says this."""
    changed = dict(facts)
    for name, value in (("large-shuffled.low", low), ("large-shuffled.high", high)):
        changed[name] = replace(facts[name], value=value, text=f"{value:.2f}")
    for name, said in (("large-shuffled.verdict", verdict[0]), ("shuffled.null_verdict", verdict[1])):
        changed[name] = replace(facts[name], value=said, text=said)
    return section(render(record, changed, None), "Advisors beside their nulls")


def test_an_advisor_is_told_beside_its_null(record, facts, report):
    assert facts["shuffled.null_of"].value == "large"
    low, high = (facts[f"large-shuffled.{end}"].value for end in ("low", "high"))
    assert low < 0 < high
    assert facts["large-shuffled.verdict"].value == "inconclusive"
    assert facts["shuffled.null_verdict"].value == "results cannot be told apart", "a short run shows no equality"
    told = section(report, "Advisors beside their nulls")
    assert "The results of large and its null shuffled cannot be told apart: the Sharpe ratio of large minus" in told
    assert "could have been missed" in told
    assert "| large | shuffled (shuffled labels) |" in told
    as_well = shown_null(record, facts, (NOT_TOLD_APART, "the null does as well"), -0.2, 0.2)
    assert (
        "The null does as well, as far as this run can tell: the Sharpe ratio of large minus that of shuffled"
        in as_well
    )
    better = shown_null(record, facts, (BETTER, "adds to its null"), 0.1, 0.9)
    assert "large does better than its null" in better
    worse = shown_null(record, facts, (WORSE, "the null is better"), -0.9, -0.1)
    assert "The null does better" in worse


def flipped(share):
    """A draw in which every so many labels are others."""

    def change(decisions, equity):
        for number, line in enumerate(decisions):
            if line["advice"] and number % share == 0:
                line["advice"]["regime"]["label"] = "turbulent"
                line["advice"]["action"]["type"] = "exit" if line["advice"]["action"]["type"] == "hold" else "hold"
        return decisions, equity

    return change


@pytest.mark.parametrize(("share", "verdict"), [(1, WITHIN_NOISE), (400, BEYOND_NOISE)])
def test_a_parting_is_held_against_asking_again(tmp_path, share, verdict):
    settings = {name: SETTINGS[name] for name in ("small", "large", "regime_rule")}
    made = write_several(tmp_path, settings, ("small", "large"))
    for arm in ("small", "large"):
        add_draws(made, [flipped(share)], arm=arm)
    record = load_record(made.folder)
    facts = build_facts(record)
    assert facts["pair.small.large.verdict"].value == verdict
    assert facts["large.noise.draws"].value == facts["noise.draws"].value == 2
    assert f"| large | {facts['large.noise.draws'].text} |" in section(render(record, facts, None), "Asked again")


def test_the_errors_of_two_advisors_add_up(tmp_path):
    settings = {name: SETTINGS[name] for name in ("small", "large", "regime_rule")}
    made = write_several(tmp_path, settings, ("small", "large"))
    once = build_facts(load_record(made.folder))
    add_draws(made, [growing(0.0004)], arm="small")
    add_draws(made, [growing(0.0003)], arm="large")
    facts = build_facts(load_record(made.folder))
    errors = [facts[f"{name}.noise.sharpe_error"].value for name in ("small", "large")]
    assert facts["noise.sharpe_error"].value == errors[0] > 0
    means = [facts[f"{name}.noise.sharpe_mean"].value for name in ("small", "large")]
    assert facts["small-large.sharpe_difference"].value == pytest.approx(means[0] - means[1])
    widths = [found["small-large.high"].value - found["small-large.low"].value for found in (facts, once)]
    assert widths[0] > widths[1]


def test_a_dead_advisor_is_told_by_name_wherever_it_stands(tmp_path):
    made = write_several(tmp_path, dead=True)
    record = load_record(made.folder)
    facts = build_facts(record)
    first = render(record, facts, None).markdown.split("\n## ")[0]
    assert "The advisor of small is dead" in first
    assert first.count("It is dead:") == 3
    told = [item.template for part in parts(facts) for item in part.items if "the advisor of" in item.template]
    assert {text.split("the advisor of ")[1].split(" ")[0] for text in told} == set(ADVISORS)


def test_the_explanation_tells_of_pairs_and_nulls_with_their_facts(facts):
    paragraph = next(each for each in explain(facts, None).paragraphs if each.topic == "Against what")
    told = " ".join(sentence.text for sentence in paragraph.sentences)
    assert "small and large gave the same label on" in told
    assert "large beside its null shuffled: results cannot be told apart" in told
    assert all(name in facts for sentence in paragraph.sentences for name in sentence.facts)


def test_eight_advisors_stay_readable(tmp_path):
    names = tuple(f"advisor_{letter}" for letter in "abcdefgh")
    settings = {name: {"advisor": name} for name in names} | {"regime_rule": None, "buy_and_hold": None}
    made = write_several(tmp_path, settings, names, bars=200, twins=())
    record = load_record(made.folder)
    facts = build_facts(record)
    report = render(record, facts, None)
    told = section(report, "Advisors beside each other")
    matrix = [line for line in told.splitlines() if line.count("|") == 10]
    assert len(matrix) == 2 + len(names), "a row an advisor"
    assert told.count("\n### advisor_a and") == 7
    assert "**Pairs without advisor_a**" in told
    assert len([fact for fact in facts.values() if fact.metric == "label_kappa" and fact.subject[:5] == "pair."]) == 28
    assert Page(report.html).problems == []
    assert not re.search(r"\b(None|nan)\b", text_of(report.html))


def test_no_two_of_sixteen_lines_look_alike():
    looks = {(ARM[number % HUES], dash_of(number)) for number in range(2 * HUES)}
    assert len(looks) == 2 * HUES


def test_an_advisor_that_failed_takes_no_verdict_from_another(tmp_path):
    facts, told = {}, {}
    for failed in ("large", "small", "regime_rule"):
        made = write_several(tmp_path / failed, failed=failed, bars=200, twins=())
        record = load_record(made.folder)
        facts[failed] = build_facts(record)
        told[failed] = render(record, facts[failed], None).markdown.split("\n## ")[0]
    assert facts["large"]["large.verdict"].value == "failed"
    assert facts["large"]["small.verdict"].value == facts["large"]["run.verdict"].value != "failed"
    assert "Failed arms: large." in told["large"]
    assert "What follows of them covers only what was recorded before that." in told["large"]
    assert facts["small"]["run.verdict"].value == "failed"
    assert facts["regime_rule"]["small.verdict"].value == "failed", "nothing whole to be held against"


def test_each_advisor_stands_against_what_asks_no_model(facts, report):
    told = section(report, "Advisors beside each other")
    heads = next(line for line in told.splitlines() if line.startswith("| Sharpe ratio |"))
    assert heads == "| Sharpe ratio | minus market | minus regime_rule | minus donchian |"
    rows = [line for line in told.splitlines() if line.startswith("| large | ") and "(" in line]
    assert facts["large-donchian.sharpe_difference"].text in rows[0]
    assert "rests on market and regime_rule." in told
    assert "Spells in which small alone stood long: " in told or "The mean return where only small" in told


def test_one_advisor_has_nothing_to_stand_beside(tmp_path):
    record = load_record(write_comparison(tmp_path / "one").folder)
    facts = build_facts(record)
    assert not any(name.startswith("pair.") or ".usage." in name for name in facts)
    assert "Advisors beside each other" not in render(record, facts, None).markdown
    result = Result(record.folder, facts)
    assert list(result.advisors.index) == ["llm"]
    assert result.pairs.empty
    assert Result(*alone(tmp_path)).advisors.empty


def alone(tmp_path):
    folder = write_run(tmp_path / "rule", arm="sma_cross").folder
    return folder, build_facts(load_record(folder))


def test_a_result_has_a_row_an_advisor_and_a_row_a_pair(made, facts):
    write_facts(facts, made.folder / "facts.json")
    lines = [
        {"advisor": "small", "cost": 0.25},
        {"advisor": "twin", "cost": "unpriced"},
        {"advisor": "small", "cost": 1},
    ]
    (made.folder / "audit.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = Result.load(made.folder)
    advisors = result.advisors
    assert list(advisors.index) == list(ADVISORS)
    assert list(result.verdicts) == list(ADVISORS)
    assert all(f"{name} {verdict}" in repr(result) for name, verdict in result.verdicts.items())
    assert [line.split()[0] for line in result.advisor_lines] == ["twin", "large", "shuffled"]
    assert list(advisors.columns) == ["model", "valid_share", "coherent_share", "abstained", "cost", "asked"]
    assert advisors.loc["small", "valid_share"] == pytest.approx(facts["small.valid_share"].value)
    assert advisors.loc["small", "asked"] == facts["small.usage.asked"].value
    assert advisors.loc["small", "cost"] == 1.25
    assert advisors["cost"].isna().tolist() == [False, True, True, True], "unpriced, and two arms of one advisor"
    pairs = result.pairs
    assert list(pairs.index.names) == ["first", "second"]
    assert len(pairs) == 6
    assert pairs.loc[("small", "twin"), "same"] == pairs.loc[("small", "twin"), "both"]
    assert pairs.loc[("small", "large"), "label_kappa"] == facts["pair.small.large.label_kappa"].value
    assert pairs["label_kappa_low"].dtype == float
    assert list(result.decisions.columns) == list(Result.load(made.folder).decisions.columns)


def test_the_kill_switch_is_not_told_of_an_arm_without_a_gate(tmp_path):
    settings = {name: SETTINGS[name] for name in ("small", "regime_rule", "market")}
    facts = build_facts(load_record(write_several(tmp_path, settings, ("small",), max_drawdown=0.01).folder))
    assert facts["regime_rule.kill_switch"].value != "never"
    assert facts["market.kill_switch"].value == "never"


def test_a_run_of_several_advisors_is_told_and_replayed_byte_for_byte(tmp_path):
    experiment = small(
        tmp_path,
        advisors={"words": {}, "figures": {"like": "words", "style": "numbers", "decimals": 1}},
        arms={
            "words": {"advisor": "words"},
            "figures": {"advisor": "figures"},
            "alike": {"advisor": "words", "examples": {"nearest": 2}},
            "shuffled": {"advisor": "words", "examples": {"nearest": 2}, "null": "shuffled_labels"},
            "regime_rule": None,
            "market": {"ungated": "buy_and_hold"},
        },
    )
    result = compare(experiment, client=recording()[0])
    assert list(result.advisors.index) == ["words", "figures", "alike", "shuffled"]
    assert result.facts["shuffled.null_of"].value == "alike"
    assert result.facts["pair.words.alike.verdict"].value == SAME, "the scripted model looks at the market alone"
    told = (result.folder / "report.md").read_text()
    assert "- *figures* (scripted):" in told
    assert "The null does as well: not one decision of alike differs from that of shuffled" in told
    assert Page(result.report.read_text()).problems == []
    assert all(check.same for check in replay(result.folder))
