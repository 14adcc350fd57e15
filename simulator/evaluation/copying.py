"""Whether advice is a copy of its prompt: how often a label equals that of the nearest example which stood there, and
that of the causal rule, how often the very same market stood there with an answer, and how often a confidence is one
that an example had.

Found again from the journal of an arm and from how its model was asked, without a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from llm_strategy.advice.copying import PromptExamples
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.advice.written_prompt import shown_confidences
from llm_strategy.errors import BacktraderLLMError
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.registry import DEFAULT_CONTEXT
from llm_strategy.market.view import SHOWN, View, causal_label, with_features
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import AbstentionReason
from simulator.evaluation.verdict import COPY_SHARE
from simulator.folder.manifest import advisor_settings
from simulator.folder.prompt_options import resolved_options
from simulator.folder.record import ArmRecord
from simulator.folder.record_check import as_damage

OWN_PARTS = "the prompt showed features of your own, which are not run to build a report"
SKIPPED = "the model was not asked at every bar, and the states between are not in the journal"
UNREADABLE = "how the model was asked is not on record"


@dataclass(frozen=True, slots=True)
class CopyShares:
    """What of the advice of a model stood in its prompt, counted over the decisions that it made itself.

    Shares are fractions; None where nothing of the kind stood there, or where it is not ``known``.
    """

    examples: str
    """Which examples were shown: none, fixed, balanced or nearest."""
    labels: str
    """What they were labelled by: rule, followed, own, or one of the shuffled ones; empty without examples."""
    decisions: int = 0
    """Decisions that the model made itself."""
    with_example: int = 0
    """Of those behind at least one example."""
    nearest: int = 0
    """With the label of the nearest example."""
    rule: int | None = None
    """With the label of the causal rule; None where the labels are a person's own."""
    state: int = 0
    """At a market that stood in the prompt word for word, with an answer."""
    confidence: int | None = None
    """With a confidence that an example had; None where examples show none, or the program computed it."""
    unknown: str = ""
    """Why the examples cannot be found again; empty where they were."""

    @property
    def known(self) -> bool:
        """Whether the examples could be found again."""
        return not self.unknown

    @property
    def nearest_share(self) -> float | None:
        """Of the decisions behind an example, those with the label of the nearest one."""
        return _share(self.nearest, self.with_example)

    @property
    def rule_share(self) -> float | None:
        """Of all decisions, those with the label of the causal rule."""
        return None if self.rule is None else _share(self.rule, self.decisions)

    @property
    def state_share(self) -> float | None:
        """Of the decisions behind an example, those whose market stood there word for word."""
        return _share(self.state, self.with_example)

    @property
    def confidence_share(self) -> float | None:
        """Of the decisions behind an example, those with a confidence that one of them had."""
        return None if self.confidence is None else _share(self.confidence, self.with_example)

    @property
    def in_prompt(self) -> bool:
        """Whether answers of the causal rule stood in the prompt."""
        return self.examples != "none" and self.labels == "rule"

    @property
    def repeats(self) -> bool:
        """Whether it is at least ``COPY_SHARE`` a copy of its nearest example."""
        return (self.nearest_share or 0.0) >= COPY_SHARE


def copy_of(arm: ArmRecord) -> CopyShares | None:
    """What of an arm's advice stood in its prompt, from its journal the first time; None where no model advised."""
    if arm.manifest["model"] is None:
        return None
    if arm not in _FOUND:
        with as_damage(arm.folder):
            _FOUND[arm] = _measured(arm)
    return _FOUND[arm]


_FOUND: WeakKeyDictionary[ArmRecord, CopyShares] = WeakKeyDictionary()


def count_copies(entries: Iterable[Entry], view: View, options: PromptOptions) -> CopyShares:
    """The counts over the entries of a journal that holds every close, whose model was asked in this way, with nothing
    left to be ``auto``."""
    labels = options.labels if isinstance(options.labels, str) else "own"
    kind = options.examples
    found = CopyShares(kind, "" if kind == "none" else "rule" if kind == "fixed" else labels)
    usual, confidences = options.regimes.are_usual, _shows_confidences(options)
    decisions = behind = nearest = rule = state = confident = 0
    prompts: dict[str, PromptExamples] = {}
    for entry in entries:
        decision, snapshot = entry.decision, entry.decision.snapshot
        if decision.abstention is not None and decision.abstention.reason is AbstentionReason.BAD_BAR:
            prompts.pop(snapshot.symbol, None)  # the past begins anew behind such a bar
            continue
        if (prompt := prompts.get(snapshot.symbol)) is None:
            prompt = prompts[snapshot.symbol] = PromptExamples(view, options)
        examples = prompt.at(snapshot)
        if decision.advice is None or decision.instead_of is not None:
            continue
        label = decision.advice.regime.label
        decisions += 1
        rule += usual and label == causal_label(snapshot)
        if (example := prompt.nearest(snapshot, examples)) is None:
            continue
        behind += 1
        nearest += label == example.label
        line = prompt.line(snapshot)
        state += any(one.market == line for one in examples)
        confident += confidences and decision.advice.action.confidence in shown_confidences(prompt.chosen, line)
    return replace(
        found, decisions=decisions, with_example=behind, nearest=nearest, state=state, rule=rule if usual else None,
        confidence=confident if confidences else None,
    )  # fmt: skip


def _measured(arm: ArmRecord) -> CopyShares:
    resolved, settings = resolved_options(arm.manifest), advisor_settings(arm.manifest)
    if resolved is None:
        return CopyShares("", "", unknown=UNREADABLE)
    told = resolved["examples"]
    ((kind, count),) = told.items() if isinstance(told, Mapping) else ((told, 1),)
    options = PromptOptions(resolved["mode"], kind, count, regimes=arm.regimes)
    if kind == "none":
        return count_copies(arm.entries, View(), options)
    unknown = ""
    if arm.about.own_parts:
        unknown = OWN_PARTS
    elif options.chosen_from_past and (settings.get("decide_every", 1), settings.get("decide_when")) != (1, "always"):
        unknown = SKIPPED
    else:
        try:
            return count_copies(arm.entries, _view(settings), _with_parts(options, settings))
        except BacktraderLLMError:  # such as features of a library that is not there
            unknown = UNREADABLE
    without = count_copies(arm.entries, View(), replace(options, examples="none"))
    labels = str(resolved.get("labels", "rule"))
    return replace(without, examples=kind, labels=labels, unknown=unknown)


def _view(settings: Mapping[str, Any]) -> View:
    """How the market was rendered."""
    view = View(settings.get("style", "words"), settings.get("decimals", 0), features=settings.get("features", SHOWN))
    chosen = [entry for entry in settings.get("context", ()) if entry == FEATURES or FEATURES in entry]
    return with_features(view, Context(chosen or DEFAULT_CONTEXT).feature_names)


def _with_parts(options: PromptOptions, settings: Mapping[str, Any]) -> PromptOptions:
    """The options with a person's own prompt, and with what labels the examples."""
    labels, prompt = settings.get("labels", "rule"), settings.get("prompt")
    if isinstance(labels, Mapping):
        labels = OwnLabels.from_document(labels, "advisor.labels")
    if prompt is not None:
        prompt = PromptText.from_document(prompt, "advisor.prompt")
    return replace(options, labels=labels if options.chosen_from_past else "rule", prompt=prompt)


def _shows_confidences(options: PromptOptions) -> bool:
    """Whether an example shows a confidence that could be copied."""
    return options.mode in ("json", "slots") and options.examples != "none" and options.prompt is None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
