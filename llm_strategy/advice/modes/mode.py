"""What a decision mode is: which questions it asks a model about a market, and how their answers become an advice.

A mode is a class with a name in ``registry.py``. An instance belongs to one market, and decides its bars in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from llm_strategy.advice.contract import ParsedAnswer, Repairs
from llm_strategy.advice.examples import Example, ExampleKind
from llm_strategy.advice.layout import FEATURES
from llm_strategy.advice.options import CalibrationKind, PromptOptions, RationaleWanted
from llm_strategy.errors import ConfigurationError, ContractError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Request
from llm_strategy.types import Purpose, Shown

_Read = TypeVar("_Read")


class Question(NamedTuple):
    """All that decides an outcome: the market as the model reads it, the examples, what stands in the advice, and what
    is shown beside the market's line."""

    market: str
    examples: tuple[Example, ...]
    symbol: str
    timeframe: str
    context: tuple[Shown, ...] = ()

    @property
    def shown(self) -> tuple[Shown, ...]:
        """What is shown beside the market's line, without the mark of that line's place."""
        return tuple(shown for shown in self.context if shown.text)

    @property
    def state(self) -> str:
        """All that is shown of the market, as one text."""
        return "\n".join((self.market, *(shown.text for shown in self.shown)))


class Ask(Protocol):
    """Puts the requests of one decision to a model and keeps each exchange."""

    def __call__(self, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
        """What ``read`` makes of the answer's text; raises what it raises, and ``ModelError`` without an answer."""

    @property
    def answer(self) -> str | None:
        """The text of the last answer; None where the last request has none."""

    def disregard(self, requests: Sequence[Request]) -> bool:
        """Drop the answers to the last requests of this decision where an earlier command was given one of them, so
        that they may be asked again; whether there was one."""


Recorded: TypeAlias = Callable[[Request, Callable[[str], object]], tuple[str | None, ContractError | None]]
"""Gives the text that is on record for a request, and what a reader finds wrong with it; None where there is none."""


class Abilities(NamedTuple):
    """What a backend can do: fill ``forms`` slot by slot, score ``choices``, and whether its model is ``embedded`` in
    the program."""

    forms: bool
    choices: bool
    backend: str = ""
    embedded: bool = False

    @classmethod
    def of(cls, client: LLMClient) -> Abilities:
        """Those of a client."""
        who = client.identity
        return cls(client.supports_forms, client.supports_choices, who.backend, bool(who.weights_sha256))


class Defaults(NamedTuple):
    """What ``auto`` means in a mode. Only a model that is embedded in the program is shown examples; behind the nearest
    ones, which change from bar to bar, the rationale is another, and scores are never corrected behind these."""

    examples_embedded: ExampleKind = "fixed"
    rationale: RationaleWanted = "always"
    rationale_nearest: RationaleWanted = "always"
    calibration: CalibrationKind = "none"


class Mode(ABC):
    """One way to come from a question to an advice; ``defaults`` of its methods is the request they start from."""

    name: ClassVar[str]
    manner: ClassVar[str]
    """What the model did in this mode, as a report says it."""
    needs: ClassVar[Literal["", "forms", "choices"]] = ""
    """Which of its ``Abilities`` a backend must have."""
    auto: ClassVar[Defaults] = Defaults()
    """What ``auto`` means for the options."""
    scores: ClassVar[bool] = False
    """Whether labels and actions are scored: no sampler plays a part in them, there is nothing to repair, and each
    answer is remembered by itself."""
    rationales: ClassVar[tuple[RationaleWanted, ...]] = ("always",)
    """When a rationale can be asked for."""

    def __init__(self, options: PromptOptions, repairs: Repairs = "strict") -> None:
        self.options = options
        self.repairs: Repairs = repairs

    @property
    def stateless(self) -> bool:
        """Whether a decision depends on the snapshots so far alone, and not on what was answered to them."""
        return True

    @property
    def unforeseen(self) -> str:
        """The questions that neither ``requests`` nor ``follow_ups`` hold, in a word; empty where there are none."""
        return "repairs"

    @abstractmethod
    def requests(self, question: Question, defaults: Request) -> tuple[Request, ...]:
        """The requests that depend on no answer; the first of them is that of the decision."""

    def follow_ups(self, question: Question, defaults: Request) -> Iterator[Request]:
        """The requests of which the answers before decide that one is made; none where there is none."""
        return iter(())

    @abstractmethod
    def decide(self, question: Question, defaults: Request, ask: Ask) -> ParsedAnswer:
        """The advice that the model gives; raises what ``ask`` raises, and ``ContractError`` for answers that are
        none."""

    @abstractmethod
    def unusable(self, question: Question, defaults: Request, recorded: Recorded) -> Iterable[Request]:
        """The requests of a decision whose answers on record do not meet the contract; none where one does."""

    def label_scores(self, market: str, answer: str) -> dict[str, float]:
        """The probability of each label in an answer about a market, as the model gave it; empty where labels are not
        scored. Raises ``ContractError``."""
        return {}

    @classmethod
    def possible(cls, able: Abilities) -> bool:
        """Whether a backend can do it."""
        return not cls.needs or bool(getattr(able, cls.needs))

    @classmethod
    def complete(cls, options: PromptOptions, able: Abilities) -> PromptOptions:
        """The options without ``auto``; raises ``ConfigurationError`` for one that this mode cannot follow, or that
        would change nothing."""
        if not cls.scores:
            cls._refuse_settings_of_scores(options, able)
        examples = cls._examples(options, able)
        stay = examples != "nearest"
        rationale, calibration, layout = options.rationale, options.calibration, options.layout
        if rationale == "auto":
            rationale = cls.auto.rationale if stay else cls.auto.rationale_nearest
        if rationale not in cls.rationales:
            choice = f"{', '.join(cls.rationales)} or auto" if len(cls.rationales) > 1 else "auto"
            raise ConfigurationError(
                f"advisor.rationale is {rationale}, which mode {cls.name} cannot do: choose {choice}."
            )
        if calibration == "auto":
            calibration = cls.auto.calibration if stay else "none"
        if layout == "auto":
            layout = "plain" if examples == "none" else "rows" if stay else "sheet"
        return replace(
            options, mode=cls.name, examples=examples, rationale=rationale, calibration=calibration, layout=layout
        )

    @classmethod
    def _examples(cls, options: PromptOptions, able: Abilities) -> ExampleKind:
        """Which examples are shown; raises ``ConfigurationError`` for labels of examples that are not chosen ones, and
        for examples of a market's line where the question shows none."""
        examples, line = options.examples, FEATURES in options.context
        if examples == "auto":
            examples = cls.auto.examples_embedded if able.embedded and line else "none"
        if examples != "none" and not line:
            raise ConfigurationError(
                f"advisor.examples is {examples}, and advisor.context leaves out the features that examples are made "
                "of: add features to context, or set examples to none."
            )
        if examples in ("none", "fixed") and options.labels != "rule":
            where = f"mode {cls.name} with backend {able.backend!r}"
            why = f"the fixed examples of {where} have labels of their own"
            if examples == "none":
                why = f"no examples are shown in {where}"
            raise ConfigurationError(
                f"advisor.labels is {options.labels}, and {why}: set advisor.examples to {{nearest: {options.count}}} "
                "or {balanced: 4}, or leave labels out."
            )
        return examples

    def shows_examples(self, question: Question) -> bool:
        """Whether examples stand in the prompt, chosen ones or, while there are too few states, the fixed ones."""
        return self.options.examples != "none"

    @classmethod
    def _refuse_settings_of_scores(cls, options: PromptOptions, able: Abilities) -> None:
        """Raise ``ConfigurationError`` for what is set and would change nothing, as labels are not scored."""
        for setting, value, idle in (
            ("layout", options.layout, ("auto",)),
            ("calibration", options.calibration, ("auto", "none")),
        ):
            if value in idle:
                continue
            words = value if isinstance(value, str) else "your own"
            cure = (
                "set advisor.mode to choices"
                if able.choices
                else "choose a backend that scores labels (LLM_BACKEND=llama_cpp)"
            )
            raise ConfigurationError(
                f"advisor.{setting} is {words}, which only mode choices reads, and backend {able.backend!r} decides in "
                f"mode {cls.name}: {cure}, or leave {setting} out."
            )
