"""YAML as people write it for us: plain data alone, and every key once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from llm_strategy.errors import ConfigurationError


def parse_yaml(text: str, where: str) -> Any:
    """The content of a YAML text; raises ``ConfigurationError``, which begins with ``where``."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # ValueError: a date such as 2000-13-45
        raise ConfigurationError(f"{where} is not valid YAML: {' '.join(str(problem).split())}.") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
