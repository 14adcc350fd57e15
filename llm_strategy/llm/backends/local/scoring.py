"""Probabilities over whole choices from probabilities over single tokens.

A choice may be written in several ways (``bull``, ``b`` and ``ull``), and two choices may begin with the same token
(``enter_long`` and ``enter_short``). So the probability of each first token goes to the one choice that it can still
become, and where there are several it is shared among them by asking again behind that token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from llm_strategy.errors import BackendFailure

NextToken: TypeAlias = Callable[[tuple[int, ...], tuple[int, ...]], Mapping[int, float]]
"""Given the tokens already written and those allowed now, the probability of each allowed one."""

SMALL = 0.02
"""A beginning with less of the probability than this is not asked behind: it is left out, and the rest counts whole."""


def score(
    choices: Sequence[str], beginnings: Callable[[str], Mapping[str, int]], next_token: NextToken
) -> dict[str, float]:
    """The probability of each choice; they sum to 1.

    ``beginnings`` gives the tokens that are a text's beginning. No choice may be the beginning of another. Raises
    ``BackendFailure`` where the vocabulary cannot write a choice.
    """
    found = dict.fromkeys(choices, 0.0)

    def follow(written: str, tokens: tuple[int, ...], share: float) -> None:
        possible = [choice for choice in choices if choice.startswith(written)]
        ways: dict[str, int] = {}
        for choice in possible:
            ways |= (own := beginnings(choice[len(written) :]))
            if not own:
                raise BackendFailure(f"The model has no token to begin {choice!r} with: word the choice differently.")
        only = tuple(ways.values())
        probabilities = next_token(tokens, only) if len(only) > 1 else {only[0]: 1.0}
        for text, token in ways.items():
            probability = share * probabilities.get(token, 0.0)
            left = [choice for choice in possible if choice.startswith(written + text)]
            if len(left) == 1:
                found[left[0]] += probability
            elif probability >= SMALL:
                follow(written + text, (*tokens, token), probability)

    follow("", (), 1.0)
    total = sum(found.values())
    if not total > 0:
        raise BackendFailure(f"The engine gave none of the choices {list(choices)} a probability: ask another way.")
    return {choice: probability / total for choice, probability in found.items()}
