"""What a decision mode is: which questions it asks a model about a market, and how their answers become an advice.

A mode is a class with a name in ``registry.py``. An instance belongs to one market, and decides its bars in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from llm_strategy.advice.checks import checklist_text, shown_fields
from llm_strategy.advice.contract import Checked, ParsedAnswer, Repairs
from llm_strategy.advice.examples import Example, ExampleKind
from llm_strategy.advice.layout import LAYOUT_NAMES, LayoutText, images_of, load_layout
from llm_strategy.advice.options import CalibrationKind, PromptOptions, RationaleWanted
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.advice.planning.moment import Planning
from llm_strategy.advice.written_prompt import fixed_examples
from llm_strategy.errors import ConfigurationError, ContractError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message, Request
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.menu import Measurement
from llm_strategy.market.view import View
from llm_strategy.shown import Shown
from llm_strategy.types import Purpose

_Read = TypeVar("_Read")


class Question(NamedTuple):
    """All that decides an outcome: the market as the model reads it, the examples, what stands in the advice, what is
    shown beside the market's line, and what a plan chooses from."""

    market: str
    examples: tuple[Example, ...]
    symbol: str
    timeframe: str
    context: tuple[Shown, ...] = ()
    planning: Planning | None = None

    @property
    def shown(self) -> tuple[Shown, ...]:
        """What is shown beside the market's line, without the mark of that line's place."""
        return tuple(shown for shown in self.context if shown.text)

    @property
    def state(self) -> str:
        """All that is shown of the market, as one text, in which an image is its hash."""
        seen = (image.sha256 for image in images_of(self.shown))
        return "\n".join((self.market, *(shown.text for shown in self.shown), *seen))


_NOTHING = Shown("", "Nothing is known of the market at this close.")


class Ask(Protocol):
    """Puts the requests of one decision to a model and keeps each exchange."""

    def __call__(self, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
        """What ``read`` makes of the answer's text; raises what it raises, and ``ModelError`` without an answer."""

    @property
    def answer(self) -> str | None:
        """The text of the last answer; None where the last request has none."""

    def note_plan(self, results: Sequence[Measurement]) -> None:
        """Note what was run for this decision, which stays where the advice behind it fails."""

    def disregard(self, requests: Sequence[Request]) -> bool:
        """Drop the answers to the last requests of this decision where an earlier command was given one of them, so
        that they may be asked again; whether there was one."""


Recorded: TypeAlias = Callable[[Request, Callable[[str], object]], tuple[str | None, ContractError | None]]
"""Gives the text that is on record for a request, and what a reader finds wrong with it; None where there is none."""


class Abilities(NamedTuple):
    """What a backend can do: fill ``forms`` slot by slot, score ``choices``, and whether its model is ``embedded`` in
    the program. Its ``adapter`` answers questions in one layout about the usual features in words."""

    forms: bool
    choices: bool
    backend: str = ""
    embedded: bool = False
    adapter: str = ""

    @classmethod
    def of(cls, client: LLMClient, view: View) -> Abilities:
        """Those of a client that is asked about markets in this view."""
        who = client.identity
        adapter = who.adapter if view == View() else ""
        return cls(client.supports_forms, client.supports_choices, who.backend, bool(who.weights_sha256), adapter)


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
    scores: bool = False
    """Whether labels and actions are scored: no sampler plays a part in them, and there is nothing to repair."""
    keeps_answers: ClassVar[bool] = False
    """Whether each answer of a decision is remembered by itself, and not the decision."""
    needs_form: ClassVar[bool] = False
    """Whether a model that was not told how an answer is written could not answer."""
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

    def first_requests(
        self, question: Question, plan: tuple[str, ...] | None, defaults: Request
    ) -> tuple[Request, ...]:
        """The first request of a decision, and behind a ``plan`` of these analytics the first one for the advice."""
        return self.requests(question, defaults)[:1]

    def longest(self, question: Question, defaults: Request) -> Request:
        """The longest of the first requests that a decision may make."""
        return self.requests(question, defaults)[0]

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
        own = not options.regimes.are_usual
        if layout == "auto":
            with_examples = ("turns" if stay else "page") if own else ("rows" if stay else "sheet")
            layout = "plain" if examples == "none" else with_examples
        if own and cls.scores and isinstance(layout, str) and load_layout(layout).words:
            others = [name for name in LAYOUT_NAMES if not load_layout(name).words]
            raise ConfigurationError(
                f"advisor.layout is {layout}, whose words are for the labels of the causal rule, and the labels are "
                f"{', '.join(options.regimes)}: choose one of {', '.join(others)}, or a file of your own."
            )
        if cls.scores and options.prompt is None and FEATURES not in options.context:
            raise ConfigurationError(
                f"advisor.context leaves out features, and the layouts of mode {cls.name} ask about them: add features "
                "to context, or write a prompt of your own (advisor.prompt)."
            )
        if options.prompt is not None:
            options.check_prompt()
            cls._check_prompt(options.prompt, options.layout)
            layout = "auto"  # which nothing reads
        return replace(
            options, mode=cls.name, examples=examples, rationale=rationale, calibration=calibration, layout=layout
        )

    @classmethod
    def _examples(cls, options: PromptOptions, able: Abilities) -> ExampleKind:
        """Which examples are shown; raises ``ConfigurationError`` for labels of examples that are not chosen ones, and
        for examples of a market's line where the question shows none."""
        examples, line, prompt = options.examples, FEATURES in options.context, options.prompt
        own = not options.regimes.are_usual
        if prompt is not None:
            shows = "examples" in prompt.shown
            if examples == "auto":
                examples = "nearest" if shows else "none"
            if shows is (examples == "none"):
                does, cure = (
                    ("shows", "leave {{ examples }} out") if shows else ("never shows", "put {{ examples }} in")
                )
                raise ConfigurationError(
                    f"advisor.prompt {does} examples, and advisor.examples is {examples}: {cure}, or set examples to "
                    f"{'{nearest: 2}' if shows else 'none'}."
                )
        elif examples == "auto":
            examples = cls.auto.examples_embedded if able.embedded and line and not own else "none"
        if own and examples != "none" and isinstance(options.labels, str):
            raise ConfigurationError(
                f"advisor.examples is {examples}, and examples have the labels of the causal rule, none of "
                f"{', '.join(options.regimes)}: set examples to none, or name a file with labels of your own in "
                "advisor.labels."
            )
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
            labels = options.labels if isinstance(options.labels, str) else "your own file"
            raise ConfigurationError(
                f"advisor.labels is {labels}, and {why}: set advisor.examples to {{nearest: {options.count}}} "
                "or {balanced: 4}, or leave labels out."
            )
        return examples

    @classmethod
    def _check_prompt(cls, prompt: PromptText, layout: str | LayoutText) -> None:
        """Raise ``ConfigurationError`` for a person's own prompt beside what it takes the place of, and for one that
        leaves out what this mode needs, or sets what it does not read."""
        if layout != "auto":
            raise ConfigurationError(
                "advisor.layout and advisor.prompt are both set, and each words the question: leave one out."
            )
        if cls.needs_form and "form" not in prompt.shown:
            raise ConfigurationError(
                f"advisor.prompt never shows {{{{ form }}}}, and in mode {cls.name} the model must know how its answer "
                "is to be written: put it in."
            )
        if prompt.answer is not None and not cls.scores:
            raise ConfigurationError(
                f"advisor.prompt has the key answer, which only mode choices reads, and the advisor decides in mode "
                f"{cls.name}: leave it out, or set advisor.mode to choices."
            )

    def own_messages(
        self, prompt: PromptText, question: Question, form: str, *, market: str | None = None
    ) -> tuple[Message, ...]:
        """The conversation of a person's own prompt about a question, or about another ``market`` in its place, of
        which nothing else is known."""
        options = self.options
        examples = fixed_examples(question.market) if options.examples == "fixed" else question.examples
        return prompt.messages(
            question.market if market is None else market,
            examples,
            form=form,
            regimes=options.regimes,
            sources=options.context,
            context=question.context if market is None else (),
            checklist=self.checklist(question),
        )

    def checklist(self, question: Question) -> str:
        """How the items of a checklist are put at this close; empty where none are asked."""
        items = self.options.checks
        return checklist_text(items, self.fields(question), manner=self.name) if items else ""

    def fields(self, question: Question) -> tuple[str, ...]:
        """The names of what is shown at a close, which an answer to an item may name."""
        return shown_fields(question.market if FEATURES in self.options.context else "", question.shown)

    def checked(self, question: Question) -> Checked:
        """What an advice must answer beside label and action."""
        items = self.options.checks
        return Checked(tuple(item.name for item in items), self.fields(question)) if items else Checked()

    def context_of(self, question: Question) -> tuple[Shown, ...]:
        """What is shown at a close; where neither the market's line is chosen nor another source has anything to show,
        words that say so."""
        return question.context or (() if FEATURES in self.options.context else (_NOTHING,))

    def shows_examples(self, question: Question) -> bool:
        """Whether examples stand in the prompt, chosen ones or, while there are too few states, the fixed ones."""
        return bool(question.examples) or self.options.falls_back_to_fixed

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
