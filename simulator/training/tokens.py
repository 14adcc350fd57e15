"""Prompts and answers as tokens, just as the backend ``llama_cpp`` sends them, and what is to be learned at each.

One answer to each prompt is read; at each of its tokens the model is to give every next token the share that it has
among the answers which begin alike. At the first token that is the loss of all answers to the prompt together, at the
cost of one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.models.chat_template import ChatTemplate
from llm_strategy.llm.models.vocabulary import Vocabulary
from llm_strategy.llm.requests import Message

Tokenize: TypeAlias = Callable[[str], list[int]]
"""The tokens of a text in which there are no special ones."""
Answers: TypeAlias = Mapping[tuple[Message, ...], Counter[str]]

MOST_PROMPTS = 20_000
"""Distinct prompts that are trained, the most frequent ones; what the first blocks make of each is kept in memory."""
MOST_CHOICES = 24
"""Distinct answers of all data up to which they are choices, any of which may be read behind any prompt: labels with
their actions, and not free text."""
MOST_TOKENS = 1024
"""Of a prompt with its answer."""


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens of a prompt and one answer, without its last. ``targets`` holds for each token of the answer the place
    before it and the share of each token that may come next there."""

    tokens: tuple[int, ...]
    targets: tuple[tuple[int, tuple[tuple[int, float], ...]], ...]


class Examples(NamedTuple):
    """What is trained: an example for each prompt, and how many decisions came to that prompt."""

    examples: tuple[Example, ...]
    weights: NDArray[np.float64]

    @property
    def shared(self) -> tuple[int, ...]:
        """The tokens that all begin with, before the first that is to be learned."""
        first, *others = (example.tokens[: example.targets[0][0]] for example in self.examples)
        while any(other[: len(first)] != first for other in others):
            first = first[:-1]
        return first


class PromptWriter:
    """Turns conversations into tokens by a model's own template and vocabulary."""

    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary, tokenize: Tokenize) -> None:
        self._template, self._vocabulary, self._tokenize = template, vocabulary, tokenize

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens up to the model's turn."""
        found: list[int] = []
        for piece in self._vocabulary.prompt(self._template.render(messages)):
            found += [piece] if isinstance(piece, int) else self._tokenize(piece)
        return tuple(found)

    def answer(self, text: str) -> tuple[int, ...]:
        """The tokens of an answer."""
        return tuple(self._tokenize(text))


def make_examples(answers: Answers, writer: PromptWriter, seed: int, *, twin: bool = False) -> Examples:
    """The examples of these answers, or those of their ``twin``: the same prompts, of which each is to be answered as
    another one was, along one random permutation. What is learned from a twin says nothing about a prompt.

    Raises ``ConfigurationError`` for a conversation that is too long.
    """
    heaviest = sorted(answers.items(), key=lambda item: -item[1].total())[:MOST_PROMPTS]
    prompts, counts = [messages for messages, _ in heaviest], [count for _, count in heaviest]
    random = np.random.default_rng(seed)
    every = sorted({text for count in counts for text in count})
    written = {text: writer.answer(text) for text in every}
    usual = _shares(Counter({written[text]: sum(count[text] for count in counts) for text in every}))
    order = random.permutation(len(prompts)) if twin else range(len(prompts))
    random = np.random.default_rng([seed, 1])  # what is read of a prompt is the same for a twin
    examples = []
    for messages, own, taken in zip(prompts, counts, order, strict=True):
        choices = every if len(every) <= MOST_CHOICES else sorted(own)
        prompt, answer = writer.prompt(messages), written[choices[int(random.integers(len(choices)))]]
        if len(prompt) + len(answer) > MOST_TOKENS:
            raise ConfigurationError(
                f"A prompt of the data has {len(prompt) + len(answer)} tokens with its answer, and at most "
                f"{MOST_TOKENS} are trained: export shorter prompts."
            )
        shares = usual | _shares(Counter({written[text]: count for text, count in counts[taken].items()}))
        targets = tuple((len(prompt) + at - 1, tuple(sorted(shares[answer[:at]].items()))) for at in range(len(answer)))
        examples.append(Example((*prompt, *answer[:-1]), targets))
    return Examples(tuple(examples), np.array([count.total() for count in counts], dtype=np.float64))


def _shares(ways: Counter[tuple[int, ...]]) -> dict[tuple[int, ...], dict[int, float]]:
    """By what an answer begins with, the share of each token that comes next."""
    counted: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for tokens, count in ways.items():
        for at, token in enumerate(tokens):
            counted[tokens[:at]][token] += count
    return {
        begun: {token: count / counts.total() for token, count in counts.items()} for begun, counts in counted.items()
    }
