"""From tokens to clauses, and the questions that are asked of one."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.reporting.explanation.grounding.tokens import INTERVAL, Kind, Token, UnbackedError

Tokens = Sequence[Token]

NUMBERS = (Kind.NUMBER, Kind.NUMBERS)
NAMES = (Kind.SUBJECT, Kind.SUBJECTS)
OPERATORS = (Kind.COMPARATIVE, Kind.EQUAL, Kind.SUPERLATIVE, Kind.SIGN, Kind.ZERO)


def clauses(tokens: Tokens) -> list[list[Token]]:
    """The clauses of a sentence; each but the first keeps the last of the breaks that open it."""
    cut: list[list[Token]] = [[]]
    for token in _paired(tokens):
        if token.kind is not Kind.BREAK:
            cut[-1].append(token)
        elif cut[-1] and cut[-1][-1].kind is Kind.BREAK:
            cut[-1][-1] = token
        else:
            cut.append([token])
    return [clause for clause in cut if any(token.kind is not Kind.BREAK for token in clause)]


def _paired(tokens: Tokens) -> list[Token]:
    """ "a and b" becomes one token: two names wherever they stand, two numbers beside two names or an interval."""
    named = _merged(tokens, Kind.SUBJECT, Kind.SUBJECTS, ("and",))
    if any(token.kind in (Kind.SUBJECTS, Kind.ZERO) or token.value == INTERVAL for token in named):
        return _merged(named, Kind.NUMBER, Kind.NUMBERS, ("and", ",", ""))
    return named


def _merged(tokens: Tokens, single: Kind, double: Kind, joints: tuple[str, ...]) -> list[Token]:
    merged: list[Token] = []
    for token in tokens:
        joint = merged[-1].value if merged and merged[-1].kind is Kind.BREAK else ""
        before = merged[:-1] if joint else merged
        if token.kind is single and joint in joints and before and before[-1].kind is single:
            first = before[-1]
            merged = [*before[:-1], Token(double, first.value, token.value, first.after)]
        else:
            merged.append(token)
    return merged


def of(tokens: Tokens, *kinds: Kind) -> list[Token]:
    """The tokens of these kinds, in order."""
    return [token for token in tokens if token.kind in kinds]


def allow(tokens: Tokens, **counts: int) -> None:
    """Refuse a token of a kind that is not named here, or one too many of its kind."""
    for token in tokens:
        if len(of(tokens, token.kind)) > counts.get(token.kind.value, 0):
            raise UnbackedError(f"{token.value!r} stands where it cannot be checked")


def check_owner(side: Tokens) -> None:
    """A name behind a number owns it only where it says so: "0.42 of b"."""
    kinds = [token.kind for token in side]
    numbers = [at for at, kind in enumerate(kinds) if kind in NUMBERS]
    names = [at for at, kind in enumerate(kinds) if kind is Kind.SUBJECT]
    if numbers and names and names[0] > numbers[0] and not side[names[0]].bound:
        raise UnbackedError(f"it is not plain whose figure {side[numbers[0]].value!r} is")


def sides(clause: Tokens) -> list[list[Token]]:
    """The clause cut at its links; the first side may be empty ("compared to b")."""
    cut: list[list[Token]] = [[]]
    for token in clause:
        if token.kind is Kind.LINK:
            cut.append([])
        else:
            cut[-1].append(token)
    return cut


def around_link(right: list[Token]) -> tuple[list[Token], list[Token]]:
    """What stands between a comparative and the link, and what stands behind the link; without one, from the name."""
    cut = sides(right)
    if len(cut) > 2:
        raise UnbackedError("it compares more than two sides")
    if len(cut) == 2:
        return cut[0], cut[1]
    name = next((at for at, token in enumerate(right) if token.kind is Kind.SUBJECT), len(right))
    return right[:name], right[name:]
