"""Blocks as Markdown, in which nothing that comes from outside is markup."""

from __future__ import annotations

import re
from collections.abc import Iterable

from simulator.reporting import blocks as b
from simulator.reporting.blocks import Block, Cell, Table, Text, blocks_for, pieces
from simulator.reporting.facts.fact import Facts

_LOOKS = {"code": "`{}`", "emphasis": "*{}*"}


class MarkdownWriter:
    """Writes the blocks of sections; a fact stands as its text."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def section(self, blocks: Iterable[Block]) -> str:
        """The blocks of one section, an empty line between two."""
        return "\n\n".join(map(self._block, blocks_for(blocks, page=False)))

    def _block(self, block: Block) -> str:
        match block:
            case b.Heading():
                return f"{'#' * block.level} {self.text(block.text)}"
            case b.Paragraph() if block.look == "verdict" and isinstance(block.text, list):
                first, *rest = map(self.text, block.text)
                return " ".join([f"**{first}**", *rest])
            case b.Paragraph():
                return f"**{self.text(block.text)}**" if block.look == "strong" else self.text(block.text)
            case b.Items():
                items = "\n".join(f"- {self.text(item)}" for item in block.items)
                return f"{self.text(block.title)}\n\n{items}" if block.title else items
            case b.Chips(labels):
                return f"Limits: {'; '.join(map(self.text, labels))}."
            case b.Banner():
                return f"> **{self.text(block.title)}** {self.text(block.text)}"
            case Table():
                return self._table(block)
            case b.Code(text):
                return "\n".join(f"    {line}" for line in text.splitlines())
            case b.Details():
                return f"**{self.text(block.summary)}**\n\n{self.section(block.blocks)}"
            case b.Grid():
                return self.section(block.tables)
            case b.Only():
                return self.section([block])
            case b.Picture():
                return f"{escape_markdown(block.alt)}: see the page."
            case b.Figure(chart):
                return f"{escape_markdown(chart.title)}: see the page."
            case _:
                raise TypeError(f"{block!r:.60} is no block")

    def _table(self, block: Table) -> str:
        columns = block.heads
        figures = block.look in ("figures", "matrix")
        right = [
            bool(at) and (column.look == "number" or (figures and column.look in ("", "interval")))
            for at, column in enumerate(columns)
        ]
        rows = [[column.heading for column in columns], *block.rows]
        lines = [f"| {' | '.join(map(self._cell, row))} |" for row in rows]
        marks = "|".join("--:" if is_right else ":--" for is_right in right)
        return "\n".join([lines[0], f"|{marks}|", *lines[1:]])

    def _cell(self, cell: Text | Cell) -> str:
        return (
            " | ".join([self.text(cell.text), *[""] * (cell.columns - 1)])
            if isinstance(cell, Cell)
            else self.text(cell)
        )

    def text(self, text: Text) -> str:
        """A text with its facts, on one line; raises ``KeyError`` for a fact that is not there."""
        match text:
            case str():
                return "".join(self._piece(kind, piece) for kind, piece in pieces(text))
            case b.Quoted():
                return _LOOKS.get(text.look, "{}").format(escape_markdown(text.text))
            case b.Source():
                return f"{self.text(text.text)} ({text.by[0]})".lstrip()
            case b.Link():
                return escape_markdown(text.words)
            case list():
                return " ".join(map(self.text, text))
            case _:
                return "".join(map(self.text, text))

    def _piece(self, kind: str, piece: str) -> str:
        return _LOOKS.get(kind, "{}").format(escape_markdown(self._facts[piece].text if kind == "fact" else piece))


def escape_markdown(value: object) -> str:
    """One line in which nothing is markup, wherever it stands: pipes, line feeds, tags, emphasis, links, code, and what
    begins a heading, a list or a rule are spelled out."""
    line = re.sub(r"\s+", " ", str(value))
    line = re.sub(r"([\\`*\[\]|])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^( ?\d*)(?=[#+=-]+( |$)|(?<=\d)[.)]( |$))", r"\1\\", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def without_bare_links(markdown: str) -> str:
    """A Markdown report in which no address becomes a link, and nothing is struck through, by itself."""
    return re.sub(r"(?<!\\)(?=://)|(?<=www)(?=\.)|(?<=~)(?=~)", r"\\", markdown)
