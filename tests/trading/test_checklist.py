"""A checklist as a person writes it: read strictly, and obeyed in one's own Cerebro and around one's own strategy."""

from dataclasses import replace

import numpy as np
import pytest
from gated_steps import WIDE, play
from own_cerebro import EXPECTED_OF_A_MODEL, MODES, SAVING, TABLE, own_cerebro, pandas_feed, run, scripted
from small_broker import flat

from llm_strategy import Limits, read_checklist
from llm_strategy.errors import BacktraderLLMError
from llm_strategy.risk import Intent

ALWAYS = "account.exposure >= 0"
WHEN = {"when": "market.trend > 0", "do": "block"}


def wrong(*items, **more):
    return {"items": {"a": {**WHEN, **more}}} if more else list(items)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (wrong(when="market.tren > 0"), "items.a.when names the field 'market.tren', did you mean 'market.trend'?"),
        (wrong(when="calendar.weekday > friday"), "calendar.weekday is a word, which > cannot compare: write is."),
        (wrong(when="calendar.weekday is fryday"), "is never 'fryday', did you mean 'friday'?"),
        (wrong(when=[]), "items.a.when is empty: write a condition"),
        (wrong(do="double"), "items.a has do 'double': write block, halve or flag"),
        (wrong(do="enter_long"), "items.a has do 'enter_long': write block, halve or flag"),
        (wrong(why="so"), "items.a.why is an unknown key"),
        (wrong(ask="Is it?"), "items.a has when and ask: keep one, or make two items of it."),
        (wrong({"a": {"when": "market.trend > 0"}}), "items.a.do is missing."),
        (wrong({"a": {"do": "block"}}), "items.a does not say when it fires: write when, preset or ask."),
        (wrong({"a": {"ask": "Is it", "do": "block"}}), "that ends in a question mark."),
        (wrong({"a": {"ask": f"{'x' * 200}?", "do": "block"}}), "one line of at most 200 characters"),
        (wrong("drawdown_brakes"), "items.drawdown_brakes is no preset, did you mean 'drawdown_brake'?"),
        (wrong({"a": {"preset": "drawdown"}}), "has the preset 'drawdown', did you mean 'drawdown_brake'?"),
        (wrong({"a": {"preset": ["drawdown_brake"]}}), "has the preset \"['drawdown_brake']\""),
        (wrong({"drawdown_brake": {"at": 2}}), "items.drawdown_brake.at is 2, it must be at most 1."),
        (wrong({"stale_data": {"gap_day": 2}}), "items.stale_data.gap_day is an unknown key, did you mean 'gap_days'?"),
        (wrong("stale_data", "stale_data"), "has two items of the name 'stale_data': rename one of them."),
        (wrong({"A b": WHEN}), "a name of at most 40 small letters"),
        (wrong(), "has no items: write items such as brake"),
        ({"items": {}}, "has no items"),
        ({"items": ["stale_data"], "limit": {}}, "limit is an unknown key, did you mean 'limits'?"),
        (wrong({"event_blackout": {}}), "items.event_blackout has no events: name a CSV or JSONL file"),
        (wrong({"event_blackout": {"events": ["soon"]}}), "has the event 'soon', which is no time"),
        (wrong({"event_blackout": {"events": ["0001-01-01T00:00+14:00"]}}), "+14:00', which is no time"),
        (wrong({"event_blackout": {"path": "days.csv"}}), "days.csv, line 2: it has no time: every event needs one"),
        (wrong({"event_blackout": {"path": "soon.csv"}}), "soon.csv, line 2: time is 'soon', and no time"),
        (wrong({"event_blackout": {"path": "dais.csv"}}), "There is no file "),
        ("list.yml", "There is no file "),
        ("broken.yaml", "broken.yaml is not valid YAML"),
        ("empty.yaml", "empty.yaml is empty: write items such as"),
        ("text.yaml", "text.yaml is 'only text': write items such as"),
    ],
)
def test_what_is_wrong_is_one_sentence(given, said, tmp_path):
    contents = {
        "broken.yaml": "items: [a: b: c",
        "empty.yaml": "",
        "text.yaml": "only text",
        "days.csv": "day\n2024-01-31\n",
        "soon.csv": "time\nsoon\n",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BacktraderLLMError) as raised:
        read_checklist(given, tmp_path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_with_events_beside_it_is_kept_whole_and_reads_back(tmp_path):
    (tmp_path / "events.csv").write_text("time,what\n2024-03-20T18:00:00Z,rates\n2024-01-31,rates\n")
    (tmp_path / "list.yaml").write_text(
        "items:\n"
        "  rates: {preset: event_blackout, path: events.csv, hours_before: 6}\n"
        "  wild: {when: [market.trend < -10%, calendar.month is not may], do: halve}\n"
        "limits: {max_drawdown: 0.1, cooldown_bars: 9.0}\n"
    )
    read = read_checklist("list.yaml", tmp_path)
    assert read.as_dict()["items"] == {
        "rates": {
            "preset": "event_blackout",
            "events": ["2024-01-31", "2024-03-20T18:00:00Z"],
            "bars_before": 1,
            "bars_after": 0,
            "hours_before": 6.0,
            "hours_after": 0.0,
            "do": "block",
        },
        "wild": {"when": ["market.trend < -0.1", "calendar.month is not may"], "do": "halve"},
    }
    assert read_checklist(read.as_dict()) == read
    limits = Limits(checklist=read)
    assert (limits.max_drawdown, limits.cooldown_bars, limits.stop_loss_pct) == (0.1, 9, Limits().stop_loss_pct)


@pytest.mark.parametrize(
    ("limits", "more", "said"),
    [
        ({"max_drawdown": 0.9}, {}, "limits.max_drawdown is 0.9 and risk.max_drawdown is 0.25, which is tighter"),
        ({"cooldown_bars": 2}, {}, "limits.cooldown_bars is 2 and risk.cooldown_bars is 5, which is tighter"),
        ({"allow_short": True}, {}, "limits.allow_short is true and risk.allow_short is false"),
        ({"max_stop_pct": 0.1}, {}, "limits.max_stop_pct cannot be set by a checklist"),
        ({"max_positions": 2}, {"sizing": "equal_weight"}, "limits.max_positions cannot be set by a checklist"),
        ({"max_drawdwn": 0.1}, {}, "limits has 'max_drawdwn', did you mean 'max_drawdown'?"),
        ({"max_drawdown": "small"}, {}, "limits.max_drawdown is 'small': write a number."),
        ({"max_drawdown": 0}, {}, "risk.max_drawdown is 0: 0 allows no trade at all"),
    ],
    ids=str,
)
def test_a_limit_that_is_not_tighter_is_refused(limits, more, said):
    checklist = read_checklist({"items": ["stale_data"], "limits": limits})
    with pytest.raises(BacktraderLLMError) as raised:
        Limits(checklist=checklist, **more)
    assert said in str(raised.value)


OWN = read_checklist(
    [
        {"down": {"when": ["returns_by_horizon.bars_20 < 0", "market.volatility_rank > 0.2"], "do": "halve"}},
        {"deep": {"when": "drawdown_anatomy.depth < -8%", "do": "block"}},
        {"seen": {"when": "calendar.weekday is not sunday", "do": "flag"}},
        "stale_data",
    ]
)


def test_a_checklist_decides_alike_in_every_mode_of_the_engine_and_whatever_bars_follow():
    expected, *_ = run(own_cerebro(**MODES[0]), limits=Limits(checklist=OWN))
    cuts = {cut.limit for entry in expected for cut in entry.verdict.clamps}
    assert cuts >= {"checklist.down", "checklist.deep", "checklist.seen"}
    for mode in (*MODES[1:], SAVING[0]):
        entries, *_ = run(own_cerebro(**mode), limits=Limits(checklist=OWN))
        assert entries == expected
    bar = 380
    later = TABLE.copy()
    later.iloc[bar:, :4] *= np.linspace(1.5, 3, len(later) - bar)[:, None]
    changed, *_ = run(own_cerebro(pandas_feed(later)), limits=Limits(checklist=OWN))
    before = [entry for entry in expected if entry.bar < bar]
    assert changed[: len(before)] == before
    assert changed[len(before)] != expected[len(before)]


def test_what_a_model_is_asked_is_the_same_with_a_checklist_in_the_gate():
    asked, *_ = run(own_cerebro(), advisor=scripted(), limits=Limits(checklist=OWN))
    assert [entry.decision for entry in asked] == [entry.decision for entry in EXPECTED_OF_A_MODEL[0]]
    assert [entry.verdict for entry in asked] != [entry.verdict for entry in EXPECTED_OF_A_MODEL[0]]


def test_an_entry_is_refused_halved_or_flagged_and_exits_pass():
    plain, *_ = run(own_cerebro(), limits=Limits(min_confidence=0))
    within, *_ = run(own_cerebro(), limits=Limits(checklist=read_checklist([{"never": {**WHEN, "when": ALWAYS}}])))
    opened = (Intent.ENTER_LONG, Intent.ENTER_SHORT)
    assert any(entry.verdict.intent in opened for entry in plain)
    assert not any(entry.verdict.intent in opened for entry in within)
    (first, *_) = (entry for entry in within if entry.verdict.clamps)
    ours = next(entry for entry in plain if entry.bar == first.bar)
    assert first.verdict.clamps[-1] == (type(first.verdict.clamps[-1])("checklist.never", ours.verdict.size, 0.0))
    assert first.verdict.reason == "The item never of the checklist refuses the entry."


def test_orders_of_a_persons_own_strategy_that_open_are_judged_and_those_that_close_are_not():
    items = [
        {"first": {"when": "calendar.day_of_month < 3", "do": "halve"}},
        {"late": {"when": "calendar.day_of_month >= 5", "do": "block"}},
        {"advice": {"when": "advice.confidence > 0", "do": "block"}},
        {"seen": {"when": ALWAYS, "do": "flag"}},
    ]
    steps = {0: lambda s: s.buy(size=100), 2: lambda s: s.close(), 3: lambda s: s.buy(size=10)}
    steps |= {5: lambda s: s.buy(size=10), 6: lambda s: s.close()}
    strategy = play(flat(100, 8), steps, replace(WIDE, checklist=read_checklist(items)))
    assert strategy.held == [0, 50, 50, 0, 10, 10, 10, 0, 0]
    assert [[event.limit.removeprefix("checklist.") for event in cut.events] for cut in strategy.gate_log] == [
        ["seen", "first"],
        ["seen"],
        ["seen", "late"],
    ]


def test_around_a_strategy_analytics_are_measured_as_well_where_bars_are_forgotten():
    steps = {bar: lambda s: s.buy(size=10) for bar in range(300, 420, 8)}
    items = [{"high": {"when": ["market.volatility_rank > 0.5", "returns_by_horizon.bars_250 > 0"], "do": "block"}}]
    limits = replace(WIDE, checklist=read_checklist(items))
    logs = [
        [(cut.time, cut.asked, cut.allowed) for cut in play(TABLE, steps, limits, **mode).gate_log]
        for mode in ({}, {"exactbars": 1})
    ]
    assert logs[0] == logs[1]
    assert 0 < len(logs[0]) < len(steps)
    entries, *_ = run(own_cerebro(), limits=Limits())
    ranks = {entry.decision.snapshot.time: entry.decision.snapshot.volatility_rank for entry in entries}
    assert all(ranks[time] > 0.5 for time, *_ in logs[0])
