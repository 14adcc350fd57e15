"""Counting decisions, and telling an advisor that reads from one that does not."""

import pytest

from simulator.evaluation.advice import Life, advice_changes, count_advice


def decision(number=0, label="bull", action="hold", **known):
    return {
        "prompt": f"prompt {number}", "request": "aa", "status": "advised", "abstention": None, "repairs": [],
        "clamps": [],
        "advice": {"regime": {"label": label}, "action": {"type": action}},
        "policy": {"verdict": "allow", "reasons": [], "coherent": True},
    } | known  # fmt: skip


def abstained(number, reason="timeout"):
    return decision(number, status="abstained", advice=None, abstention={"reason": reason, "detail": ""})


def test_everything_is_counted_by_kind():
    counts = count_advice(
        [
            decision(1, repairs=["code fence", "second attempt: action.type is missing"], status="repaired"),
            decision(2, repairs=["second attempt: no JSON", "second attempt: twice"], status="repaired"),
            decision(3, clamps=[{"limit": "cash"}, {"limit": "max_position_size"}], action="enter_long"),
            decision(3, clamps=[{"limit": "cash"}], action="enter_long"),
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
        ]
    )
    assert counts.decisions == 8
    assert counts.statuses == {"abstained": 3, "advised": 3, "repaired": 2}
    assert counts.abstentions == {"timeout": 2, "invalid": 1}
    assert counts.repairs == {"second attempt": 2, "code fence": 1}
    assert counts.clamps == {"cash": 2, "max_position_size": 1}
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
    assert count_advice(decisions).life is life


def test_the_constant_answer_is_named():
    counts = count_advice([decision(n) for n in range(99)] + [decision(99, "bear", "exit")])
    assert (counts.constant_label, counts.constant_action, counts.constant_share) == ("bull", "hold", 0.99)


def test_only_changes_of_advice_are_listed():
    same = [decision(1), decision(2), abstained(3), abstained(4, "invalid"), decision(5), decision(6, action="exit")]
    assert [row["prompt"] for row in advice_changes(same)] == ["prompt 1", "prompt 3", "prompt 5", "prompt 6"]
