"""Counting decisions, and telling an advisor that reads from one that does not."""

import pytest
from journal_entries import advised, counted, entry

from simulator.evaluation.advice import AdviceCounter, ChangeFinder, Life


def seen(trend=0.0, rank=0.5, symbol="SYN"):
    """A snapshot of a market that the causal rule calls sideways, or by its trend and rank of volatility."""
    return {"trend": trend, "volatility_rank": rank, "symbol": symbol}


def decision(number=0, label="bull", action="hold", **known):
    """In a market that goes up and down, so that the causal rule changes label and action."""
    row = {"prompt": f"prompt {number}", "request": "aa", "snapshot": seen(0.1 if number % 2 else -0.1)}
    return entry(**row | {"advice": advised(label, action)} | known)


def abstained(number, reason="timeout"):
    return decision(number, status="abstained", advice=None, abstention={"reason": reason, "detail": ""})


def test_everything_is_counted_by_kind():
    counts = counted(
        AdviceCounter(),
        [
            decision(1, repairs=["code fence", "second attempt: action.type is missing"], status="repaired"),
            decision(2, repairs=["second attempt: no JSON", "second attempt: twice"], status="repaired"),
            decision(3, action="enter_long"),
            decision(3, action="enter_long"),
            decision(
                4,
                label="bear",
                action="enter_long",
                policy={
                    "verdict": "review",
                    "reasons": ["label and action: enter_long in a bear market"],
                    "coherent": False,
                },
            ),
            abstained(5),
            abstained(6, "invalid"),
            abstained(7),
        ],
    )
    assert counts.decisions == 8
    assert counts.statuses == {"abstained": 3, "advised": 3, "repaired": 2}
    assert counts.abstentions == {"timeout": 2, "invalid": 1}
    assert counts.repairs == {"second attempt": 2, "code fence": 1}
    assert counts.actions == {"enter_long": 3, "hold": 2}
    assert counts.verdicts == {"allow": 7, "review": 1}
    assert counts.policy_reasons == {"label and action": 1}
    assert counts.coherent_share == pytest.approx(0.8)
    assert counts.distinct_prompts == 4
    assert counts.life is Life.UNKNOWN


@pytest.mark.parametrize(
    ("decisions", "life"),
    [
        ([decision(n) for n in range(100)], Life.DEAD),
        ([decision(n) for n in range(99)] + [decision(99, "bear", "exit")], Life.DEAD),
        ([decision(n) for n in range(98)] + [decision(n, "bear", "exit") for n in (98, 99)], Life.ALIVE),
        ([decision(n % 19) for n in range(100)], Life.UNKNOWN),
        ([decision(n % 20) for n in range(100)], Life.DEAD),
        ([decision(n, action=("hold", "exit")[n % 2]) for n in range(100)], Life.LABEL_CONSTANT),
        ([decision(n, label=("bull", "bear")[n % 2]) for n in range(100)], Life.ACTION_CONSTANT),
        ([decision(n, request="", prompt="") for n in range(100)], Life.UNKNOWN),
        ([decision(n) for n in range(50)] + [abstained(n) for n in range(50, 100)], Life.DEAD),
        ([abstained(n) for n in range(100)], Life.UNKNOWN),
        ([], Life.UNKNOWN),
    ],
)
def test_an_advisor_that_does_not_read_is_seen(decisions, life):
    assert counted(AdviceCounter(), decisions).life is life


@pytest.mark.parametrize(
    ("market", "life"),
    [
        ([seen(0.1)], Life.UNKNOWN),  # the rule said bull and enter_long throughout
        ([seen(0.1), seen(-0.1)], Life.DEAD),
    ],
)
def test_a_constant_answer_is_held_against_the_rule_on_the_same_bars(market, life):
    decisions = [decision(n, snapshot=market[n % len(market)]) for n in range(100)]
    assert counted(AdviceCounter(), decisions).life is life


@pytest.mark.parametrize(
    ("market", "how", "life"),
    [
        ([seen(0.1)], "label", Life.ALIVE),
        ([seen(0.1)], "action", Life.ALIVE),
        ([seen(-0.1), seen(0.0, rank=0.9)], "action", Life.ALIVE),  # bear and turbulent: the rule exits in both
        ([seen(-0.1), seen(0.0, rank=0.9)], "label", Life.LABEL_CONSTANT),
    ],
)
def test_where_the_rule_was_constant_too_nobody_is_nearly_dead(market, how, life):
    varied = {
        "label": lambda n: {"action": ("hold", "exit")[n % 2]},
        "action": lambda n: {"label": ("bull", "bear")[n % 2]},
    }
    decisions = [decision(n, snapshot=market[n % len(market)], **varied[how](n)) for n in range(100)]
    assert counted(AdviceCounter(), decisions).life is life


def test_the_constant_answer_is_named():
    counts = counted(AdviceCounter(), [decision(n) for n in range(99)] + [decision(99, "bear", "exit")])
    assert (counts.constant_label, counts.constant_action, counts.constant_share) == ("bull", "hold", 0.99)


def test_only_changes_of_advice_are_listed():
    same = [decision(1), decision(2), abstained(3), abstained(4, "invalid"), decision(5), decision(6, action="exit")]
    prompts = [changed.decision.prompt for changed in filter(ChangeFinder().take, same)]
    assert prompts == ["prompt 1", "prompt 3", "prompt 5", "prompt 6"]


def test_a_change_is_one_on_the_same_symbol():
    both = [decision(1), decision(2, "bear", snapshot=seen(symbol="B"))] * 3
    assert len(list(filter(ChangeFinder().take, both))) == 2
