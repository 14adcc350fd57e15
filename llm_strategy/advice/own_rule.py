"""Baselines of a person's own: a subclass of ``Rule`` or a function of the snapshot, named by a reference
(``package.module:name``, ``FILE.py:name``) or brought by an installed package.

The settings of one are a mapping: ``rule`` is its reference, ``sha256`` the hash of the file that it stands in (not of
what that file imports), and all others are the keywords of its constructor, or of the function behind its snapshot.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from llm_strategy.advice.rules import BASELINES, Rule
from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean, exception_line
from llm_strategy.support.plugins import load_reference, place_reference, source_sha256
from llm_strategy.types import ActionType, Decision, Snapshot

GROUP = "backtrader_llm.baselines"
"""Entry points of installed packages that are rules, by name."""
RULE_NAME = r"^[a-z][a-z0-9_]{0,39}$"
"""Of a rule, which names a folder and the figures of a report."""
_Result = TypeVar("_Result")


@cache
def installed_rules() -> dict[str, str]:
    """The references of rules in installed packages, by name."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def in_folder(settings: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The settings of a rule whose file is looked for in this folder before the working folder."""
    rule = settings.get("rule")
    return {**settings, **({"rule": place_reference(rule, folder)} if isinstance(rule, str) else {})}


def whole_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the rule ``name`` with its reference, hash and every default written out.

    Raises ``ConfigurationError`` where the rule cannot be found, is no ``Rule``, has changed or refuses a setting.
    """
    if not re.fullmatch(RULE_NAME, name):
        raise ConfigurationError(
            f"baselines: {name!r} cannot be the name of a rule: write small letters, digits and underscores, at most "
            "40 of them, and begin with a letter."
        )
    reference = settings.get("rule") or installed_rules()[name]
    subject = f"The baseline {name!r} ({reference})"
    sha256 = source_sha256(reference, GROUP)
    if sha256 and settings.get("sha256", sha256) != sha256:
        raise ConfigurationError(
            f"{subject} has changed: its file has the sha256 {sha256[:12]}, and that asked for is "
            f"{settings['sha256']!s:.12}: restore the file, or leave sha256 out."
        )
    kind = _load_rule(reference)
    keywords = {key: value for key, value in settings.items() if key not in ("rule", "sha256")}
    settable = _settable(subject, kind)
    known = {each.name: each for each in settable if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    for key in keywords:
        if key not in known and all(each.kind is not each.VAR_KEYWORD for each in settable):
            raise ConfigurationError(f"{subject} has no setting {key!r}{did_you_mean(key, list(known))}")
    for key, setting in known.items():
        if key not in keywords and setting.default is inspect.Parameter.empty:
            raise ConfigurationError(f"{subject} needs its setting {key!r}: write it among the settings of {name}.")
        if key not in keywords and not isinstance(setting.default, (int, float, str)):
            raise ConfigurationError(
                f"{subject} has a default of type {type(setting.default).__name__} for its setting {key!r}: give it a "
                "number, a text, true or false."
            )
        keywords.setdefault(key, setting.default)
        if isinstance(setting.default, (int, float)) and isinstance(keywords[key], float):  # 20.0 is whole in YAML, too
            keywords[key] = type(setting.default)(keywords[key])
    return {"rule": reference, "sha256": sha256, **keywords}


def make_rule(name: str, settings: Mapping[str, Any]) -> Rule:
    """The rule ``name``, made anew; what it raises is one sentence. Raises as ``whole_settings`` does."""
    whole = whole_settings(name, settings)
    keywords = {key: value for key, value in whole.items() if key not in ("rule", "sha256")}
    subject, kind = f"The baseline {name!r} ({whole['rule']})", _load_rule(whole["rule"])
    if isinstance(kind, FunctionType):
        return _OneSentence(subject, partial(FunctionRule, subject, kind), keywords)
    return _OneSentence(subject, kind, keywords)


def _load_rule(reference: str) -> Any:
    """What a reference means, which may be the name of one of our rules."""
    return BASELINES[reference] if reference in BASELINES else load_reference("baseline", reference)


class FunctionRule(Rule):
    """A rule that is a function: ``decide(snapshot, **keywords)`` returns an action (``ActionType`` or its word), or
    ``None`` to change nothing."""

    rationale = "Follows a function of the market."

    def __init__(self, subject: str, function: Callable[..., Any], **keywords: Any) -> None:
        self._subject, self._function, self._keywords = subject, function, keywords

    def action(self, snapshot: Snapshot) -> ActionType:
        """What the function says; raises ``ConfigurationError`` where that is no action."""
        said = self._function(snapshot, **self._keywords)
        if said is None:
            return ActionType.HOLD
        if not isinstance(said, str) or said not in _ACTIONS:
            hint = did_you_mean(said, _ACTIONS) if isinstance(said, str) else f"; known are {', '.join(_ACTIONS)}."
            raise ConfigurationError(
                f"{self._subject} returned {said!r:.60} at {snapshot.symbol}, {snapshot.time}, which is no action{hint}"
            )
        return ActionType(said)


_ACTIONS = tuple(str(action) for action in ActionType)


def _settable(subject: str, kind: Any) -> list[inspect.Parameter]:
    """What a rule can be given; raises ``ConfigurationError`` for what is no rule."""
    if isinstance(kind, FunctionType):
        given = list(inspect.signature(kind).parameters.values())
        first = given[0] if given else None
        if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
            raise ConfigurationError(
                f"{subject} takes no snapshot: write it as def {kind.__name__}(snapshot), with its settings as "
                "keywords behind."
            )
        return given[1:]
    if not (isinstance(kind, type) and issubclass(kind, Rule)):
        raise ConfigurationError(
            f"{subject} is neither a class of llm_strategy.Rule nor a function: derive it from Rule, with an action, "
            "or write def decide(snapshot)."
        )
    rationale = getattr(kind, "rationale", None)
    if not (isinstance(rationale, str) and rationale.strip()):
        raise ConfigurationError(f"{subject} has no rationale: say in a sentence what it does, without numbers.")
    return list(inspect.signature(kind).parameters.values())


class _OneSentence(Rule):
    """A rule whose exceptions say which rule raised what, and where: ``ConfigurationError``."""

    def __init__(self, subject: str, kind: Callable[..., Rule], keywords: Mapping[str, Any]) -> None:
        self._subject = subject
        self._rule = self._try("when it is made", lambda: kind(**keywords))
        self.rationale = self._rule.rationale
        self.bars_needed = self._try("when it says bars_needed", lambda: int(self._rule.bars_needed))

    def prepare(self, data: Any) -> None:
        """The indicators of the rule."""
        self._rule = self._try("when its indicators are made", lambda: self._rule.attach(data))

    def action(self, snapshot: Snapshot) -> ActionType:
        """That of the rule."""
        return self._rule.action(snapshot)

    def decide(self, snapshot: Snapshot) -> Decision:
        """The decision of the rule."""
        return self._try(f"at {snapshot.symbol}, {snapshot.time}", lambda: self._rule.decide(snapshot))

    def _try(self, where: str, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except BacktraderLLMError:
            raise
        except (Exception, SystemExit) as problem:
            words = f"{self._subject} fails {where} ({exception_line(problem)})"
            raise ConfigurationError(f"{words}: correct it there.") from None
