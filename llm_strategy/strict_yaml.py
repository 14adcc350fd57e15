"""YAML as people write it for us: plain data alone, every key once, and no merge keys."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from llm_strategy.errors import ConfigurationError


def parse_yaml(text: str, where: str, *, secret: bool = False) -> Any:
    """The content of a YAML text; raises ``ConfigurationError``, which begins with ``where``. Where the text may hold
    something ``secret``, no word of it is repeated: line and column alone."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # ValueError: a date such as 2000-13-45
        if secret:
            raise ConfigurationError(f"{where} cannot be read: {_place(problem)}.") from None
        raise ConfigurationError(f"{where} is not valid YAML: {' '.join(str(problem).split())}.") from None


def _place(problem: Exception) -> str:
    """Where a text is no YAML, and what we ourselves have to say of it."""
    mark = getattr(problem, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "a value in it"
    if isinstance(problem, _OneKeyError):
        return f"{place}: {problem.problem}"
    return (
        f"{place} is not valid YAML; a quotation mark, a bracket or a colon is missing or too many there or before it, "
        "or a value needs quotation marks around it"
    )


class _OneKeyError(yaml.constructor.ConstructorError):
    """What is wrong with the keys of a mapping, in words that hold no value."""


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                told = "'<<' takes over the keys of another mapping, which is not read here: write them out"
                raise _OneKeyError(None, None, told, key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise _OneKeyError(None, None, f"key {key!r} stands twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)
