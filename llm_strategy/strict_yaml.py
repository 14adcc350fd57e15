"""YAML as people write it for us: plain data alone, every key once, no merge keys, and no aliases without end."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from llm_strategy.errors import ConfigurationError
from llm_strategy.outside_text import encodable
from llm_strategy.secrets import KEY_PLACES, redact

MOST_NODES = 100_000
"""Keys and values of a text, those behind an alias counted wherever it stands."""
_WORD = re.compile(r"[A-Za-z_]{1,40}")
_MISFITS = (LookupError, AttributeError, OverflowError)
"""What PyYAML raises for a value that is none of its tag (``!!int ''``, ``!!timestamp x``), or is no character."""


def parse_yaml(text: str, where: str, *, secret: bool = False) -> Any:
    """The content of a YAML text; raises ``ConfigurationError``, which begins with ``where``. Where the text may hold
    something ``secret``, no word of it is repeated: line and column alone; where not, a key in it is refused."""
    if not secret and redact(text) != text:
        raise ConfigurationError(f"{where} holds a key, which would be written into every run: {KEY_PLACES}.")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    except (yaml.YAMLError, ValueError, RecursionError, *_MISFITS) as problem:  # ValueError: a date such as 2000-13-45
        if secret:
            raise ConfigurationError(f"{where} cannot be read: {_place(problem)}.") from None
        told = "a value is none of the kind that its tag names" if isinstance(problem, _MISFITS) else str(problem)
        raise ConfigurationError(f"{where} is not valid YAML: {' '.join(told.split())}.") from None


def is_word(key: object) -> bool:
    """Whether a key may be told where a text may hold something secret: a value that lost its quotation marks, or half
    of one, is hardly ever a word."""
    return bool(_WORD.fullmatch(str(key)))


def _place(problem: Exception) -> str:
    """Where a text is no YAML, and what we ourselves have to say of it."""
    mark = getattr(problem, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "a value in it"
    if isinstance(problem, _RefusedError):
        return f"{place}: {problem.without_values}"
    return (
        f"{place} is not valid YAML; a quotation mark, a bracket or a colon is missing or too many there or before it, "
        "or a value needs quotation marks around it"
    )


class _RefusedError(yaml.constructor.ConstructorError):
    """What YAML allows and we do not; ``without_values`` says it in words that hold none of the text's."""

    def __init__(self, told: str, node: yaml.Node, without_values: str = "") -> None:
        super().__init__(None, None, told, node.start_mark)
        self.without_values = without_values or told


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once, and aliases come to an end."""

    def construct_document(self, node: yaml.Node) -> Any:
        if _count(node, {}) > MOST_NODES:
            raise _RefusedError(
                f"aliases repeat what they stand for until it is more than {MOST_NODES:,} values: write it out", node
            )
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                told = "'<<' takes over the keys of another mapping, which is not read here: write them out"
                raise _RefusedError(told, key_node)
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    named = f"key {key!r} stands twice"
                    raise _RefusedError(named, key_node, named if is_word(key) else "a key stands twice")
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and value != encodable(value):
            raise _RefusedError("half a surrogate pair is no character: write the character itself", node)
        return value


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """Keys and values that a node comes to, each alias as long as what it stands for; ``counted`` holds those of the
    nodes that were met, 0 where they are not at their end."""
    if (known := counted.get(id(node))) is not None:
        if not known:
            raise _RefusedError("an alias stands within what it stands for, which has no end: write it out", node)
        return known
    counted[id(node)] = 0
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    nodes = [one for pair in inner for one in pair] if isinstance(node, yaml.MappingNode) else inner
    counted[id(node)] = 1 + sum(_count(one, counted) for one in nodes)
    return counted[id(node)]
