"""YAML as people write it for us: one document of plain data, every key once, no merge keys, and an end to aliases,
depth and length."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import Composer

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.outside_text import encodable
from llm_strategy.support.secrets import KEY_PLACES, redact

MOST_NODES = 100_000
"""Keys and values of a text, those behind an alias counted wherever it stands."""
DEEPEST = 50
"""Mappings and lists within each other."""
LONGEST_NUMBER = 1_000
"""Characters; 1:1:1 is a number of base 60, and takes the square of its length to compute."""
_WORD = re.compile(r"[A-Za-z_]{1,40}")
_TAB = re.compile(r" *\t")
_MISFITS = (LookupError, AttributeError, OverflowError)
"""What PyYAML raises for a value that is none of its tag (``!!int ''``, ``!!timestamp x``), or is no character."""
_Loader: Any = (
    type("_Loader", (Composer, yaml.CSafeLoader), {"__init__": lambda self, text: _begin(self, text)})
    if yaml.__with_libyaml__
    else yaml.SafeLoader
)
"""Six times as fast with libyaml, whose own composer would overflow the stack over a text that is nested deeply."""


def parse_yaml(text: str, where: str, *, secret: bool = False) -> Any:
    """The content of a YAML text; raises ``ConfigurationError``, which begins with ``where``. Where the text may hold
    something ``secret``, no word of it is repeated: line and column alone; where not, a key in it is refused."""
    if not secret and redact(text) != text:
        raise ConfigurationError(f"{where} holds a key, which would be written into every run: {KEY_PLACES}.")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    except (yaml.YAMLError, ValueError, *_MISFITS) as problem:  # ValueError: a date such as 2000-13-45
        if indented := _tab(problem, text):
            raise ConfigurationError(f"{where} is not valid YAML: {indented}.") from None
        if secret:
            raise ConfigurationError(f"{where} cannot be read: {_place(problem)}.") from None
        told = str(problem).replace('in "<unicode string>",', "in")
        if isinstance(problem, _MISFITS) or "character escape code" in told:  # without libyaml the latter is the former
            told = "a value is none of the kind that its tag names"
        elif isinstance(problem, _RefusedError):
            told = f"{_line(problem)}: {problem.problem}"
        raise ConfigurationError(f"{where} is not valid YAML: {' '.join(told.split())}.") from None


def _tab(problem: Exception, text: str) -> str:
    """Which line is indented by a tab where that is what was met, which no editor shows; else nothing."""
    mark = getattr(problem, "problem_mark", None)
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines) or not _TAB.match(lines[mark.line]):
        return ""
    return f"line {mark.line + 1} is indented with a tab: write spaces there"


def is_word(key: object) -> bool:
    """Whether a key may be told where a text may hold something secret: a value that lost its quotation marks, or half
    of one, is hardly ever a word."""
    return bool(_WORD.fullmatch(str(key)))


def _place(problem: Exception) -> str:
    """Where a text is no YAML, and what we ourselves have to say of it."""
    if isinstance(problem, _RefusedError):
        return f"{_line(problem)}: {problem.without_values}"
    return (
        f"{_line(problem)} is not valid YAML; a quotation mark, a bracket or a colon is missing or too many there or "
        "before it, or a value needs quotation marks around it"
    )


def _line(problem: Exception) -> str:
    mark = getattr(problem, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "a value in it"


class _RefusedError(yaml.constructor.ConstructorError):
    """What YAML allows and we do not; ``without_values`` says it in words that hold none of the text's."""

    def __init__(self, told: str, mark: Any, without_values: str = "") -> None:
        super().__init__(None, None, told, mark)
        self.without_values = without_values or told


def _begin(loader: Any, text: str) -> None:
    yaml.CSafeLoader.__init__(loader, text)
    Composer.__init__(loader)


class _StrictLoader(_Loader):
    """YAML in which a key stands once, and everything comes to an end."""

    _depth = _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > DEEPEST or self._nodes > MOST_NODES:
            deep = f"mappings and lists stand within each other more than {DEEPEST} deep: write them flatter"
            long = f"it holds more than {MOST_NODES:,} keys and values: name a shorter file"
            raise _RefusedError(deep if self._depth > DEEPEST else long, self.peek_event().start_mark)
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        if _count(node, {}) > MOST_NODES:
            raise _RefusedError(
                f"aliases repeat what they stand for until it is more than {MOST_NODES:,} values: write it out",
                node.start_mark,
            )
        return super().construct_document(node)

    def construct_scalar(self, node: yaml.Node) -> Any:
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(node.value) > LONGEST_NUMBER:
            raise _RefusedError(f"a number has more than {LONGEST_NUMBER:,} characters: shorten it", node.start_mark)
        value = super().construct_scalar(node)
        if isinstance(value, str) and value != encodable(value):
            told = "half a surrogate pair is no character: write the character itself"
            raise _RefusedError(told, node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":
                told = "'<<' takes over the keys of another mapping, which is not read here: write them out"
                raise _RefusedError(told, key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    named = f"key {key!r} stands twice"
                    raise _RefusedError(named, key_node.start_mark, named if is_word(key) else "a key stands twice")
                seen.add(key)
        content: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return content


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """Keys and values that a node comes to, each alias as long as what it stands for; ``counted`` holds those of the
    nodes that were met, 0 where they are not at their end."""
    if (known := counted.get(id(node))) is not None:
        if not known:
            told = "an alias stands within what it stands for, which has no end: write it out"
            raise _RefusedError(told, node.start_mark)
        return known
    counted[id(node)] = 0
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    nodes = [one for pair in inner for one in pair] if isinstance(node, yaml.MappingNode) else inner
    counted[id(node)] = 1 + sum(_count(one, counted) for one in nodes)
    return counted[id(node)]
