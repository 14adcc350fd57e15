"""Templates of a person's own: Jinja with placeholders, ``if`` and ``for`` alone, checked before anything is rendered.

A template may come from a stranger and is filled with what others wrote, so it is held to a small part of Jinja: no
calls, imports, files or arithmetic, loops over given lists alone and none within another, and texts of bounded length.
What is filled in is data and never read as a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llm_strategy.errors import ConfigurationError, did_you_mean, exception_line

MOST_TEMPLATE = 100_000
"""Characters of a template."""
MOST_WRITTEN = 1_000_000
"""Characters that a template may come to: more than any model reads."""
DEEPEST = 10
"""How many ``if`` and ``for`` may stand in one another."""

FILTERS = ("capitalize", "first", "last", "length", "lower", "title", "trim", "upper")
"""None of them makes a text longer."""
OF_LOOP = ("first", "index", "index0", "last", "length")
_OPERATORS = (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr)
_MOST_NODES = 10_000


class Entry(NamedTuple):
    """One of a list that a template may go through: how it is shown by itself, and its parts by name."""

    text: str
    parts: Mapping[str, str]

    def __str__(self) -> str:
        return self.text


class Entries(tuple[Entry, ...]):
    """A list for a template: its entries' texts, each on a line of its own or, where ``between`` says so, further
    apart."""

    between = "\n"

    def __str__(self) -> str:
        return self.between.join(entry.text for entry in self)


class Paragraphs(Entries):
    """Entries with an empty line between each two."""

    between = "\n\n"


class Known(NamedTuple):
    """What a template may hold: names of texts, and lists with the names of the parts of each entry."""

    texts: tuple[str, ...]
    lists: Mapping[str, tuple[str, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All placeholders."""
        return (*self.texts, *self.lists)


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Entry):  # its parts alone
            return obj.parts[attribute]
        return super().getattr(obj, attribute)


_ENVIRONMENT = _Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,
)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.tests = {}
_ENVIRONMENT.filters = {name: _ENVIRONMENT.filters[name] for name in FILTERS}


def placeholders(text: str, known: Known | None = None) -> frozenset[str]:
    """The names that a template writes (not those that it only asks about in an ``if``).

    Raises ``ConfigurationError``, whose sentence begins with the line, for what is no template, for what is beyond
    placeholders, ``if`` and ``for``, and for a name that is not ``known``; without it every name may be.
    """
    if len(text) > MOST_TEMPLATE:
        raise ConfigurationError(
            f"it has {len(text):,} characters, and at most {MOST_TEMPLATE:,} are read: shorten it."
        )
    checker = _Checker(known)
    try:
        checker.check(_ENVIRONMENT.parse(text))
    except jinja2.TemplateSyntaxError as problem:
        told = " ".join(str(problem.message).split()).rstrip(".")
        raise ConfigurationError(f"line {problem.lineno}: {told:.200}: correct it there.") from None
    except RecursionError:
        raise ConfigurationError("it is nested too deeply: write it flatter.") from None
    return frozenset(checker.written)


def fill_template(text: str, values: Mapping[str, str | Entries]) -> str:
    """The text of a template that ``placeholders`` has let through, without white space at its ends.

    Raises ``ConfigurationError`` for what goes wrong in it and for a text that is too long.
    """
    pieces: list[str] = []
    length = 0
    try:
        for piece in _compiled(text).generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_WRITTEN:
                break
    except Exception as problem:
        raise ConfigurationError(f"it cannot be filled in ({exception_line(problem):.200}): correct it.") from None
    if length > MOST_WRITTEN:
        raise ConfigurationError(f"it comes to more than {MOST_WRITTEN:,} characters: show less.")
    return "".join(pieces).strip()


def split_blocks(text: str) -> dict[str, str]:
    """The texts of the blocks of a template by name (``{% block user %}...{% endblock %}``); empty where it has none.

    Raises ``ConfigurationError`` for what is no template, and for text around the blocks.
    """
    if len(text) > MOST_TEMPLATE:
        placeholders(text)
    try:
        tokens = list(_ENVIRONMENT.lex(text))
    except jinja2.TemplateSyntaxError as problem:
        raise ConfigurationError(f"line {problem.lineno}: {problem.message:.200}: correct it there.") from None
    blocks: dict[str, str] = {}
    around = ""
    inside: str | None = None
    for statement, written in _pieces(tokens):
        if statement[:1] == ["block"] and inside is None:
            inside = statement[1] if len(statement) == 2 else ""
            if not inside or inside in blocks:
                raise ConfigurationError(f"the block {inside!r:.40} is there twice or has no name: name each once.")
            blocks[inside] = ""
        elif statement[:1] == ["endblock"] and inside is not None:
            inside = None
        elif inside is None:
            around += written
        else:
            blocks[inside] += written
    if blocks and (inside is not None or around.strip()):
        raise ConfigurationError("text stands outside of its blocks: put it into the block user, or leave blocks out.")
    return blocks


def _pieces(tokens: list[tuple[int, str, str]]) -> Iterator[tuple[list[str], str]]:
    """Statements as their words, other text without, and each as it was written."""
    words: list[str] | None = None
    written = ""
    for _, kind, text in tokens:
        if kind == "block_begin":
            words, written = [], text
        elif words is None:
            yield [], text
        else:
            written += text
            if kind == "block_end":
                yield words, written
                words = None
            elif kind != "whitespace":
                words.append(text)


_Loop: TypeAlias = Mapping[str, str] | None
"""The name of a loop's entry with that of its list; None outside of loops."""


class _Checker:
    """Walks through a template once; ``written`` are the names that it shows."""

    def __init__(self, known: Known | None) -> None:
        self._known = known
        self._left = _MOST_NODES
        self.written: set[str] = set()

    def check(self, node: nodes.Node, depth: int = 0, loop: _Loop = None, *, shows: bool = False) -> None:
        """Raise ``ConfigurationError`` for what no prompt may hold."""
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            self._refuse(node, "it holds too much in one another, or too many parts", "write it flatter or shorter")
        if isinstance(node, nodes.For):
            self._check_loop(node, depth, loop)
        elif isinstance(node, nodes.If):
            self.check(node.test, depth + 1, loop)
            for part in (*node.body, *node.elif_, *node.else_):
                self.check(part, depth + 1, loop)
        elif isinstance(node, nodes.Output):
            for part in node.nodes:
                self.check(part, depth, loop, shows=True)
        elif isinstance(node, nodes.Template):
            for part in node.body:
                self.check(part, depth, loop)
        elif isinstance(node, nodes.CondExpr):
            self.check(node.test, depth + 1, loop)
            for branch in filter(None, (node.expr1, node.expr2)):
                self.check(branch, depth + 1, loop, shows=shows)
        elif isinstance(node, nodes.Filter):
            self._check_filter(node, depth, loop, shows=shows)
        elif isinstance(node, nodes.Name):
            self._check_name(node, loop, shows=shows)
        elif isinstance(node, nodes.Getattr):
            self._check_part(node, loop)
        elif isinstance(node, _OPERATORS):
            for part in node.iter_child_nodes():
                self.check(part, depth + 1, loop)
        elif not isinstance(node, nodes.TemplateData | nodes.Const):
            what = type(node).__name__.lower()
            self._refuse(node, f"{what} is no part of a prompt", "write placeholders, if and for alone")

    def _check_loop(self, node: nodes.For, depth: int, loop: _Loop) -> None:
        if loop is not None:
            self._refuse(node, "a loop stands within another", "write one after the other")
        if node.test is not None or node.recursive or not isinstance(node.target, nodes.Name):
            self._refuse(node, "that form of a loop is none of a prompt's", "write {% for entry in examples %}")
        lists = () if self._known is None else tuple(self._known.lists)
        iterated = node.iter.name if isinstance(node.iter, nodes.Name) else ""
        if not iterated or (self._known is not None and iterated not in lists):
            self._refuse(node, "a loop goes through no list of a prompt", f"loop over {', '.join(lists) or 'a list'}")
        self.check(node.iter, depth, None, shows=True)
        name = node.target.name if isinstance(node.target, nodes.Name) else ""
        if self._known is not None and name in self._known.names:
            self._refuse(node, f"the loop calls an entry {name!r}, which is a placeholder", "call it something else")
        within = {name: iterated, "loop": ""}
        for part in node.body:
            self.check(part, depth + 1, within)
        for part in node.else_:
            self.check(part, depth + 1, loop)

    def _check_filter(self, node: nodes.Filter, depth: int, loop: _Loop, *, shows: bool) -> None:
        if node.name not in FILTERS or node.node is None:
            raise _wrong(node, f"there is no filter {node.name!r:.60}{did_you_mean(node.name, FILTERS)}")
        if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            self._refuse(node, f"the filter {node.name} takes no values here", "leave them out")
        self.check(node.node, depth + 1, loop, shows=shows and node.name != "length")

    def _check_name(self, node: nodes.Name, loop: _Loop, *, shows: bool) -> None:
        if loop is not None and node.name in loop:
            return
        if self._known is not None and node.name not in self._known.names:
            unknown = f"there is no placeholder {{{{ {node.name:.60} }}}}"
            raise _wrong(node, f"{unknown}{did_you_mean(node.name, self._known.names)}")
        if shows:
            self.written.add(node.name)

    def _check_part(self, node: nodes.Getattr, loop: _Loop) -> None:
        of = node.node.name if isinstance(node.node, nodes.Name) else ""
        if loop is None or of not in loop:
            self._refuse(node, "a part is asked for of what is no entry of a loop", "write the placeholder alone")
            return
        parts = OF_LOOP if of == "loop" else None if self._known is None else self._known.lists[loop[of]]
        if parts is not None and node.attr not in parts:
            raise _wrong(node, f"{of} has no part {node.attr!r:.60}{did_you_mean(node.attr, parts)}")

    def _refuse(self, node: nodes.Node, problem: str, cure: str) -> None:
        raise _wrong(node, f"{problem}: {cure}.")


def _wrong(node: nodes.Node, problem: str) -> ConfigurationError:
    return ConfigurationError(f"line {node.lineno}: {problem}")


@lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)
