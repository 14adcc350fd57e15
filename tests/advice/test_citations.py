"""What a rationale cites was shown, or the advice is marked for review."""

import pytest

from llm_strategy.advice.citations import check_citations, cited_numbers
from llm_strategy.shown import Shown
from llm_strategy.types import PolicyOutcome, PolicyVerdict

TWO = (Shown("history", "last bars"), Shown("documents", "[D1] a\n[D2] b", ("x", "y")))


@pytest.mark.parametrize(
    ("rationale", "numbers"),
    [
        ("As [D1] says, and [d2] too.", (1, 2)),
        ("[D1, D3; 2] and [D1]", (1, 3, 2)),
        ("[D 12]", (12,)),
        ("Up 3% on day [1], D1 and (D2) are none", ()),
        ("[D1234567] is too long for a number", ()),
        ("[D0]", (0,)),
        ("", ()),
    ],
)
def test_numbers_in_the_frame_of_a_document_are_citations(rationale, numbers):
    assert cited_numbers(rationale) == numbers


def test_what_was_shown_may_be_cited():
    allowed = PolicyOutcome(PolicyVerdict.ALLOW)
    assert check_citations(allowed, "As [D1] and [D2] say", TWO) == allowed
    assert check_citations(allowed, "Nothing is cited", ()) == allowed


@pytest.mark.parametrize(
    ("rationale", "context", "reason"),
    [
        ("[D3]", TWO, "citation: the rationale cites [D3], and [D1] to [D2] were shown"),
        ("[D0]", TWO, "citation: the rationale cites [D0], and [D1] to [D2] were shown"),
        (
            "[D2]",
            (Shown("documents", "[D1] a", ("x",)),),
            "citation: the rationale cites [D2], and [D1] alone was shown",
        ),
        ("[D1]", (), "citation: the rationale cites [D1], and no text was shown"),
    ],
)
def test_a_citation_of_what_was_not_shown_is_marked_for_review(rationale, context, reason):
    found = check_citations(PolicyOutcome(PolicyVerdict.ALLOW), rationale, context)
    assert found == PolicyOutcome(PolicyVerdict.REVIEW, (reason,), coherent=False)
    denied = check_citations(PolicyOutcome(PolicyVerdict.DENY, ("exact price: 3",)), rationale, context)
    assert denied == PolicyOutcome(PolicyVerdict.DENY, ("exact price: 3", reason), coherent=False)


def test_endless_citations_are_told_in_five():
    said = " ".join(f"[D{number}]" for number in range(10, 1000))
    assert len(check_citations(PolicyOutcome(PolicyVerdict.ALLOW), said, TWO).reasons) == 5
