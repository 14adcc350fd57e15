"""The sources of context by name, and a person's own: chosen with their options, checked, and made."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean, exception_line
from llm_strategy.market.context.analogues import Analogues
from llm_strategy.market.context.chart import Chart
from llm_strategy.market.context.documents import Documents
from llm_strategy.market.context.events import Events
from llm_strategy.market.context.features import FEATURES, Features, Legend
from llm_strategy.market.context.history import History
from llm_strategy.market.context.measured import Analytics
from llm_strategy.market.context.source import ContextSource, SilentSource
from llm_strategy.shown import Shown
from llm_strategy.support.plugins import find_plugin
from llm_strategy.types import Snapshot

CONTEXT_GROUP = "backtrader_llm.contexts"
"""Entry points of a person's own sources of context."""

SOURCES: dict[str, type[ContextSource]] = {
    source.name: source
    for source in (
        Features,
        Legend,
        History,
        Analogues,
        Documents,
        Events,
        Analytics,
        Chart,
    )
}
"""The sources of the package by name: a new one is added here."""

NONE = "none"
"""The null that every source has: it stays chosen, and shows nothing."""
DEFAULT_CONTEXT = (FEATURES,)
"""What an advisor shows where nothing is chosen: the market's line alone."""
_NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)


class Choice(NamedTuple):
    """A source by its name or reference, with its options."""

    name: str
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How the source is called where it is shown: its name, or that of the object behind a reference."""
        return self.name.rpartition(":")[2]

    @property
    def plain(self) -> str | dict[str, dict[str, Any]]:
        """As a person writes it."""
        return {self.name: dict(self.options)} if self.options else self.name


def read_choices(chosen: Any, where: str = "context") -> tuple[Choice, ...]:
    """The sources of a list of names and one-key mappings, or of a mapping of names to options, in their order; options
    are checked, and defaults written out. In Python a class or function may stand in the place of its name.

    Raises ``ConfigurationError``, which begins with ``where`` where it is of the list, for a source that is not found
    or stands there twice, and for an unknown or wrong option.
    """
    if isinstance(chosen, Mapping):
        entries: list[Any] = [{name: options} for name, options in chosen.items()]
    elif isinstance(chosen, Sequence) and not isinstance(chosen, str):
        entries = list(chosen)
    else:
        raise ConfigurationError(f"{where} is {chosen!r:.60}: write a list of sources, as in [features, history].")
    choices = tuple(_choice(entry, where) for entry in entries)
    if not choices:
        raise ConfigurationError(f"{where} is empty: name sources, as in [features, history], or leave it out.")
    labels = [choice.label for choice in choices]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ConfigurationError(f"{where} names {twice!r} twice: name each source once.")
    return choices


def _choice(entry: Any, where: str) -> Choice:
    if isinstance(entry, Choice):
        name, given = entry
    elif isinstance(entry, Mapping) and len(entry) == 1:
        ((name, given),) = entry.items()
    else:
        name, given = entry, {}
    given = {} if given is None else given
    if callable(name):
        name = _reference(name)
    if not isinstance(name, str) or not isinstance(given, Mapping):
        raise ConfigurationError(
            f"{where} holds {entry!r:.60}: write the name of a source, or a mapping of it to its options, as in "
            "{history: {bars: 30}}."
        )
    return Choice(name, _checked(name, find_source(name), given))


def _reference(part: Callable[..., Any]) -> str:
    """The reference by which a class or function that is given itself is found."""
    module, name = getattr(part, "__module__", ""), getattr(part, "__name__", "")
    if getattr(sys.modules.get(module), name, None) is not part:
        raise ConfigurationError(
            f"The context source {part!r:.60} cannot be found by its name: define it at the top of a module, as a "
            "class or with def, and give the class itself."
        )
    return next((known for known, kind in SOURCES.items() if kind is part), f"{module}:{name}")


def find_source(name: str) -> Callable[..., Any]:
    """The class of a source, or a person's function of a snapshot; raises ``ConfigurationError``."""
    found: Callable[..., Any] = find_plugin("context source", name, CONTEXT_GROUP, SOURCES)
    called = Choice(name, {}).label
    if isinstance(found, type) and issubclass(found, ContextSource):
        pass
    elif isinstance(found, type) or not callable(found):
        raise ConfigurationError(
            f"The context source {name!r} is {found!r:.60}: write a subclass of ContextSource, or a function of a "
            "snapshot that returns text."
        )
    elif not _parameters(found, whole=True):
        raise ConfigurationError(f"The context source {name!r} takes no snapshot: write it as def {called}(snapshot).")
    if name not in SOURCES and (called in SOURCES or not _NAME.fullmatch(called)):
        raise ConfigurationError(f"The context source {name!r} is called {called!r}, which is taken: rename it.")
    return found


def make_source(choice: Choice) -> ContextSource:
    """A source with its options, without a past; ``ConfigurationError`` where its own code refuses them."""
    kind = find_source(choice.name)
    silent, given = _silent(choice.name, choice.options)
    options = _read(choice.name, kind, given)
    keywords = {name: getattr(options, name) for name in type(options).model_fields if name in given}
    try:
        source = kind(**keywords) if isinstance(kind, type) else FunctionSource(kind, keywords)
        return SilentSource(choice.label, source.lookback) if silent else source
    except BacktraderLLMError:
        raise
    except (Exception, SystemExit) as problem:
        raise ConfigurationError(
            f"The context source {choice.name!r} cannot be made ({exception_line(problem)}): correct it there."
        ) from None


class FunctionSource(ContextSource):
    """A person's function of a snapshot that returns text, or a ``Shown``; its attributes ``lookback``, ``from_prices``
    and ``shows_images`` say what the fields of that name do."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._function, self._options = function, options
        self.from_prices = bool(getattr(function, "from_prices", True))  # type: ignore[misc]
        self.shows_images = bool(getattr(function, "shows_images", False))  # type: ignore[misc]

    @property
    def lookback(self) -> int:
        """As the function says."""
        return getattr(self._function, "lookback", 0)

    def show(self, snapshot: Snapshot) -> Shown:
        """What the function returns."""
        return self._function(snapshot, **self._options)  # type: ignore[no-any-return]


def null_choices(chosen: Any, label: str, value: str) -> tuple[str | dict[str, dict[str, Any]], ...]:
    """What is chosen, with the null of one source: its option ``null`` set to this value.

    Raises ``ConfigurationError`` where that source is not chosen, or has no such null.
    """
    choices = read_choices(chosen)
    if label not in (names := [choice.label for choice in choices]):
        raise ConfigurationError(
            f"The context {', '.join(names)} has no {label}, so that a null of it changes nothing: choose {label}, or "
            "leave the null out."
        )
    kind = find_source(choices[names.index(label)].name)
    if value not in (nulls_of_kind := (*getattr(kind, "nulls", ()), NONE)):
        raise ConfigurationError(f"{label} has no null {value!r}{did_you_mean(value, nulls_of_kind)}")
    nulls = [
        {choice.name: {**choice.options, "null": value}} if choice.label == label else choice for choice in choices
    ]
    return tuple(choice.plain for choice in read_choices(nulls))


def is_own(name: str) -> bool:
    """Whether the name of a source means a person's own code."""
    return name not in SOURCES


def with_files(entry: Any, reference: Callable[[str], str], path: Callable[[str], str]) -> Any:
    """An entry of a list of choices with the files that it names put elsewhere: those of references to a person's own
    code (in ``embedding``, too), and those of the option ``path``. What cannot be an entry is left as it is."""
    if isinstance(entry, str):
        return reference(entry)
    if not isinstance(entry, Mapping):
        return entry
    placed: dict[Any, Any] = {}
    for name, options in entry.items():
        changes: dict[str, Any] = {}
        for option, place in (("path", path), ("names", reference), ("embedding", reference)):
            value = options.get(option) if isinstance(options, Mapping) else None
            if option == "names" and name not in (FEATURES, Analytics.name):
                continue
            if isinstance(value, str):
                changes[option] = place(value)
            elif isinstance(value, list | tuple):
                changes[option] = [place(each) if isinstance(each, str) else each for each in value]
        placed[reference(name) if isinstance(name, str) else name] = {**options, **changes} if changes else options
    return placed


def own_sources(chosen: Any) -> list[str]:
    """The names of a person's own sources in a list of choices, which may be damaged."""
    entries = chosen if isinstance(chosen, list | tuple | Mapping) else ()
    names = [name for entry in entries for name in (entry if isinstance(entry, Mapping) else (entry,))]
    return [name for name in names if isinstance(name, str) and is_own(name)]


def data_files(chosen: Any) -> list[str]:
    """The files that the options ``path`` and ``embedding`` of sources name in a list of choices, which may be damaged;
    samples of the program are none."""
    found: list[Any] = []
    for options in (each for entry in _mappings(chosen) for each in entry.values()):
        if isinstance(options, Mapping):
            paths, model = options.get("path"), options.get("embedding")
            found += paths if isinstance(paths, list | tuple) else [paths]
            found += [model.rpartition(":")[0]] if isinstance(model, str) and ".py:" in model else []
    return [path for path in found if isinstance(path, str) and not path.startswith("sample:")]


def feature_names(chosen: Any) -> list[str]:
    """The features that a list of choices names for the market's line; the list may be damaged."""
    return _names_of(FEATURES, chosen)


def analytic_names(chosen: Any) -> list[str]:
    """The analytics that a list of choices names, which may be damaged."""
    return _names_of(Analytics.name, chosen)


def _names_of(source: str, chosen: Any) -> list[str]:
    """What the option ``names`` of a source says."""
    options = [entry[source] for entry in _mappings(chosen) if source in entry]
    names = [each.get("names") for each in options if isinstance(each, Mapping)]
    return [name for some in names if isinstance(some, list | tuple) for name in some if isinstance(name, str)]


def _mappings(chosen: Any) -> list[Mapping[Any, Any]]:
    """The entries with options of a list of choices, or of a mapping, which may be damaged."""
    entries = [chosen] if isinstance(chosen, Mapping) else chosen if isinstance(chosen, list | tuple) else ()
    return [entry for entry in entries if isinstance(entry, Mapping)]


def option_parameters(kind: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a source, or a person's function of a snapshot, may be told, each with its type and default."""
    return _parameters(kind, whole=isinstance(kind, type))


def _parameters(kind: Callable[..., Any], *, whole: bool) -> list[inspect.Parameter]:
    found = [*inspect.signature(kind, eval_str=True).parameters.values()]
    named = [each for each in found if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    return named if whole else named[1:]


def _silent(name: str, given: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
    """Whether the null of a source is ``none``, and its options without that."""
    if given.get("null") != NONE:
        return False, given
    if name == FEATURES:
        raise ConfigurationError("features has no null: leave it out of context, where the model is not to see it.")
    return True, {option: value for option, value in given.items() if option != "null"}


def _checked(name: str, kind: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    silent, given = _silent(name, given)
    options = _read(name, kind, given)
    try:
        plain = options.model_dump(mode="json")
    except Exception as problem:
        raise ConfigurationError(
            f"The context source {name!r} has an option that is no plain data ({exception_line(problem)}): give "
            "numbers, texts, lists and mappings."
        ) from None
    return {option: value for option, value in plain.items() if value is not None} | ({"null": NONE} if silent else {})


def _read(name: str, kind: Callable[..., Any], given: Mapping[str, Any]) -> BaseModel:
    """The options as their types read them."""
    model = _options_of_package(kind) if kind in SOURCES.values() else _options_model(kind)
    for option in given:
        if option not in model.model_fields:
            known = did_you_mean(option, model.model_fields) or ": it has none."
            raise ConfigurationError(f"The context source {name!r} has no option {option!r:.60}{known}")
    try:
        return model(**given)
    except ValidationError as problem:
        wrong = problem.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        said = wrong["msg"].replace("Input should", "it should")
        if wrong["type"] == "missing":
            raise ConfigurationError(f"The context source {name!r} needs its option {place!r}: write it.") from None
        raise ConfigurationError(f"The context source {name!r}: {place} is {wrong['input']!r:.60}: {said}.") from None


def _options_model(kind: Callable[..., Any]) -> type[BaseModel]:
    """What reads the options of a source, by the types of its keywords."""
    fields: Any = {
        each.name: (
            Any if each.annotation is each.empty else each.annotation,
            ... if each.default is each.empty else each.default,
        )
        for each in option_parameters(kind)
    }
    return create_model("Options", __config__=ConfigDict(arbitrary_types_allowed=True, extra="forbid"), **fields)


_options_of_package = cache(_options_model)
"""Kept for the sources of the package, because settings are read again and again."""
