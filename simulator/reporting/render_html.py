"""Blocks as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set

from llm_strategy.market.regimes import COLOUR_PATTERN
from simulator.evaluation.regimes import LABELS
from simulator.reporting import blocks as b
from simulator.reporting.blocks import Block, Cell, Column, Table, Text, blocks_for, pieces
from simulator.reporting.facts.fact import Fact, Facts
from simulator.reporting.facts.terms import Unit
from simulator.reporting.markup import Markup

_LOOKS = {
    "": "{0}",
    "alarm": '<strong class="quoted">{0}</strong>',
    "code": "<code>{0}</code>",
    "emphasis": "<em>{0}</em>",
    "q": "<q>{0}</q>",
    "read": '<span class="read">{0}</span>',
    "small": "<small>{0}</small>",
    "strong": "<strong>{0}</strong>",
}
"""Looks of a text, ``{0}``."""
_TABLES = {"matrix": "figures", "months": "figures months", "quoted": "rows quoted"}
"""Classes of tables by their look, where they are named otherwise."""
_COLOUR = re.compile(rf"{COLOUR_PATTERN}|var\(--[a-z]+\)")


class HtmlWriter:
    """Writes the blocks of sections; a fact stands in its own element, so that a page can be checked against facts."""

    def __init__(self, facts: Facts, places: Set[str] = frozenset()) -> None:
        self._facts = facts
        self._places = places
        """Ids of the headings that a link may lead to."""
        self._section = ""
        self.contents: list[tuple[str, str]] = []
        """Id and text of the heading of each section but the title of the page, as they were written."""

    def section(self, blocks: Iterable[Block]) -> Markup:
        """One section, named by its first heading; the title of the page heads a header instead."""
        shown = list(blocks_for(blocks, page=True))
        first = next((block for block in shown if isinstance(block, b.Heading)), None)
        if first is None:
            return self._all(shown)
        self._section = first.id
        if first.level > 1 and first.id:
            self.contents.append((first.id, str(self.text(first.text).striptags())))
        above, rest = shown[: shown.index(first)], shown[shown.index(first) :]
        if first.level == 1:
            opened, closed = Markup("<header>"), Markup("</header>")
        else:
            look = Markup(' class="{}"').format(first.look) if first.look else ""
            opened, closed = Markup('<section aria-labelledby="{}"{}>').format(first.id, look), Markup("</section>")
        return Markup("\n").join([*map(self._block, above), opened, self._all(rest), closed])

    def _all(self, blocks: Iterable[Block]) -> Markup:
        return Markup("\n").join(map(self._block, blocks_for(blocks, page=True)))

    def _block(self, block: Block) -> Markup:
        match block:
            case b.Heading():
                name = Markup(' id="{}"').format(block.id) if block.id else ""
                self._section = block.id or self._section
                return Markup("<h{0}{1}>{2}</h{0}>").format(block.level, name, self.text(block.text))
            case b.Paragraph():
                return self._paragraph(block)
            case b.Items():
                return self._items(block)
            case b.Chips(labels):
                listed = Markup("\n").join(Markup('<li class="chip">{}</li>').format(self.text(one)) for one in labels)
                return Markup('<ul class="chips" aria-label="Limits of the verdict">\n{}\n</ul>').format(listed)
            case b.Banner():
                look = "strong" if isinstance(block.title, str) else ""
                title = Markup(_LOOKS[look]).format(self.text(block.title))  # noqa: S704 - a look is ours
                return Markup('<div class="unreal" role="alert"><p>{}</p><p>{}</p></div>').format(
                    title, self.text(block.text)
                )
            case Table():
                return self._table(block)
            case b.Figure(chart):
                return Markup('<figure id="{}" class="figure">\n<figcaption>{}</figcaption>\n{}\n</figure>').format(
                    chart.name, chart.title, chart
                )
            case b.Picture(image, alt):
                return Markup('<div class="scroll" role="group" aria-label="{0}" tabindex="0">{1}</div>').format(
                    alt, Markup('<img alt="{}" src="{}">').format(alt, image.data_uri)
                )
            case b.Code(text):
                return Markup("<pre>{}</pre>").format(text)
            case b.Details():
                shown = Markup(" open") if block.open else ""
                summary = Markup("<details{}>\n<summary>{}</summary>\n").format(shown, self.text(block.summary))
                return summary + self._all(block.blocks) + Markup("\n</details>")
            case b.Grid():
                return Markup('<div class="counts">\n{}\n</div>').format(self._all(block.tables))
            case b.Scripted(name, documents):
                place = Markup('<div class="{0}" data-script="{0}"></div>').format(name)
                data = Markup('<script type="application/octet-stream" data-name="{}">{}</script>')
                return Markup("\n").join([place, *(data.format(*document) for document in documents.items())])
            case b.Only():
                return self._all([block])
            case _:
                raise TypeError(f"{block!r:.60} is no block")

    def _paragraph(self, block: b.Paragraph) -> Markup:
        text: Text = block.text
        if block.look == "strong":
            return Markup("<p><strong>{}</strong></p>").format(self.text(text))
        if block.look == "verdict" and isinstance(text, list):
            first = Markup("<strong>{}</strong>").format(self.text(text[0]))
            return Markup('<p class="verdict">{}</p>').format(
                Markup(" ").join([first, *(self.text(sentence) for sentence in text[1:])])
            )
        return Markup("<p{}>{}</p>").format(_class(block.look), self.text(text))

    def _items(self, block: b.Items) -> Markup:
        items = Markup("\n").join(Markup("<li>{}</li>").format(self.text(item)) for item in block.items)
        listing = Markup("<ul{}>\n{}\n</ul>").format(_class(block.look), items)
        if not block.title:
            return listing
        return Markup('<section class="notes" aria-label="{}">\n<p><strong>{}</strong></p>\n{}\n</section>').format(
            block.label, block.title, listing
        )

    def _table(self, block: Table) -> Markup:
        columns = block.heads
        caption = Markup("<caption>{}</caption>\n").format(block.caption) if block.caption else ""
        head = Markup()
        if any(column.heading for column in columns):
            head = Markup("<thead><tr>{}</tr></thead>\n").format(Markup().join(map(self._heading, columns)))
        body = Markup("\n").join(
            Markup("<tbody>\n{}\n</tbody>").format(Markup("\n").join(self._row(block, columns, row) for row in rows))
            for rows in _groups(block)
        )
        table = Markup('<table class="{}">\n{}{}{}\n</table>').format(
            _TABLES.get(block.look, block.look), caption, head, body
        )
        if block.look == "counts":
            return Markup("<table>\n{}{}\n</table>").format(caption, body)
        if block.look == "limits":
            return table
        named = Markup('aria-label="{}"').format(block.label) if block.label else None
        return Markup('<div class="scroll{}" role="group" {} tabindex="0">\n{}\n</div>').format(
            " tall" if block.tall else "", named or Markup('aria-labelledby="{}"').format(self._section), table
        )

    def _heading(self, column: Column) -> Markup:
        if not column.heading:
            return Markup("<td></td>")
        return Markup('<th scope="col"{}>{}</th>').format(_class(column.look), self.text(column.heading))

    def _row(self, table: Table, columns: Sequence[Column], row: Sequence[Text | Cell]) -> Markup:
        first, *rest = row
        assert not isinstance(first, Cell)  # noqa: S101 - what heads a row stands in one column
        marked = Markup(' class="subject"') if table.marked is not None and first == table.marked else ""
        head = Markup('<th scope="row">{}</th>').format(self.text(first)) if first else Markup("<td></td>")
        return Markup("<tr{}>{}{}</tr>").format(marked, head, Markup().join(self._cells(table, columns, rest)))

    def _cells(self, table: Table, columns: Sequence[Column], cells: Sequence[Text | Cell]) -> Iterator[Markup]:
        at = 1
        for cell in cells:
            if isinstance(cell, Cell) and cell.columns > 1:
                yield Markup('<td colspan="{}">{}</td>').format(cell.columns, self.text(cell.text))
                at += cell.columns
                continue
            column, at = columns[at], at + 1
            if isinstance(cell, Cell):
                yield Markup('<td data-tint="{}">{}</td>').format(cell.tint, self.text(cell.text))
                continue
            yield Markup("<td{}>{}</td>").format(_class(column.look), self.text(cell))

    def text(self, text: Text) -> Markup:
        """A text with its facts; raises ``KeyError`` for a fact that is not there."""
        match text:
            case str():
                return Markup().join(self._piece(kind, piece) for kind, piece in pieces(text))
            case b.Quoted():
                if text.look == "swatch":
                    return _swatch(text)
                return Markup(_LOOKS[text.look]).format(text.text)  # noqa: S704 - a look is ours
            case b.Source():
                letter = text.by[0]
                if not text.text:
                    return Markup("<sup>{}</sup>").format(letter)
                return Markup('<span class="said {0}">{1}<sup title="written by the {0}">{2}</sup></span>').format(
                    text.by, self.text(text.text), letter
                )
            case b.Link():
                if text.id not in self._places:
                    return Markup("{}").format(text.words)
                return Markup('<a href="#{}">{}</a>').format(text.id, text.words)
            case list():
                return Markup(" ").join(map(self.text, text))
            case _:
                return Markup().join(map(self.text, text))

    def _piece(self, kind: str, piece: str) -> Markup:
        if kind == "fact":
            return fact_in_html(self._facts[piece])
        return Markup(_LOOKS[kind]).format(piece)  # noqa: S704 - a look is ours


def _swatch(label: b.Quoted) -> Markup:
    """A label beside its colour, alone where it has none."""
    colour = label.colour or (f"var(--{label.text})" if label.text in LABELS else "")
    if not _COLOUR.fullmatch(colour):
        return Markup("{}").format(label.text)
    return Markup('<span class="swatch" style="background: {}"></span>{}').format(colour, label.text)


def fact_in_html(fact: Fact) -> Markup:
    """A fact in its own element."""
    if fact.unit is Unit.TEXT:
        return Markup('<span data-fact="{}">{}</span>').format(fact.id, fact.text)
    return Markup('<data data-fact="{}" value="{}" title="{}">{}</data>').format(
        fact.id, fact.value, fact.label, fact.text
    )


def _class(look: str) -> Markup:
    return Markup(' class="{}"').format(look) if look else Markup()


def _groups(table: Table) -> list[list[Sequence[Text | Cell]]]:
    """The rows by body: in a matrix each row with a head begins one."""
    rows = list(table.rows)
    if table.look != "matrix" or all(row[0] for row in rows):
        return [rows]
    starts = [at for at, row in enumerate(rows) if row[0]]
    return [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]
