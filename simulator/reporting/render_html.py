"""Blocks as HTML, and the page around them: its frame, and the policy under which a browser shows it (no script, no
request to anywhere, and no style but the page's own).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

from markupsafe import Markup

from llm_strategy.market.regimes import COLOUR_PATTERN
from simulator.evaluation.regimes import LABELS
from simulator.reporting import blocks as b
from simulator.reporting.blocks import Block, Cell, Column, Table, Text, blocks_for, pieces
from simulator.reporting.facts.fact import Fact, Facts
from simulator.reporting.facts.terms import Unit

_HEAD = '<meta charset="utf-8">\n'
_FRAME = Markup(  # noqa: S704 - our own
    f"""<!DOCTYPE html>
<html lang="en">
<head>
{_HEAD}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}}: report</title>
<style>
{{style}}
</style>
</head>
<body>
<main>
{{body}}
</main>
</body>
</html>
"""
)
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
_TABLES = {"figures": "figures stack", "matrix": "figures", "quoted": "rows quoted"}
"""Classes of tables by their look, where they are named otherwise."""
_COLOUR = re.compile(rf"{COLOUR_PATTERN}|var\(--[a-z]+\)")
_STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.DOTALL)
_EARLIER_SHEETS = frozenset({"bb5dea7ffe47b64d5261c5917974b9887a668e306c5db1a435bc3ea289ffdcc5"})
"""sha256 of the style sheets of earlier versions, without the white space around them: no other is put right."""
_STYLE_ATTRIBUTE = re.compile(r'\sstyle="([^"]*)"')


def page(title: str, sections: Iterable[Markup]) -> str:
    """The whole page."""
    return _FRAME.format(title=title, style=Markup(_sheet()), body=Markup("\n\n").join(sections))  # noqa: S704 - our own


class HtmlWriter:
    """Writes the blocks of sections; a fact stands in its own element, so that a page can be checked against facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._section = ""

    def section(self, blocks: Iterable[Block]) -> Markup:
        """One section, named by its first heading; the title of the page heads a header instead."""
        shown = list(blocks_for(blocks, page=True))
        first = next((block for block in shown if isinstance(block, b.Heading)), None)
        if first is None:
            return self._all(shown)
        self._section = first.id
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
            case b.Banner():
                look = "strong" if isinstance(block.title, str) else ""
                title = Markup(_LOOKS[look]).format(self.text(block.title))  # noqa: S704 - a look is ours
                return Markup('<div class="unreal" role="alert"><p>{}</p><p>{}</p></div>').format(
                    title, self.text(block.text)
                )
            case Table():
                return self._table(block)
            case b.Figure(drawing):
                return Markup(
                    '<figure id="{}">\n<figcaption>{}</figcaption>\n<div class="wide">{}</div>\n'
                    '<div class="narrow">{}</div>\n</figure>'
                ).format(drawing.name, drawing.title, Markup(drawing.wide), Markup(drawing.narrow))  # noqa: S704
            case b.Code(text):
                return Markup("<pre>{}</pre>").format(text)
            case b.Details():
                shown = Markup(" open") if block.open else ""
                summary = Markup("<details{}>\n<summary>{}</summary>\n").format(shown, self.text(block.summary))
                return summary + self._all(block.blocks) + Markup("\n</details>")
            case b.Grid():
                return Markup('<div class="counts">\n{}\n</div>').format(self._all(block.tables))
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
        return Markup('<div class="scroll{}" role="region" {} tabindex="0">\n{}\n</div>').format(
            " tall" if block.tall else "", named or Markup('aria-labelledby="{}"').format(self._section), table
        )

    def _heading(self, column: Column) -> Markup:
        return Markup('<th scope="col"{}>{}</th>').format(_class(column.look), self.text(column.heading))

    def _row(self, table: Table, columns: Sequence[Column], row: Sequence[Text | Cell]) -> Markup:
        first, *rest = row
        assert not isinstance(first, Cell)  # noqa: S101 - what heads a row stands in one column
        marked = Markup(' class="subject"') if table.marked is not None and first == table.marked else ""
        return Markup('<tr{}><th scope="row">{}</th>{}</tr>').format(
            marked, self.text(first), Markup().join(self._cells(table, columns, rest))
        )

    def _cells(self, table: Table, columns: Sequence[Column], cells: Sequence[Text | Cell]) -> Iterator[Markup]:
        at = 1
        for cell in cells:
            if isinstance(cell, Cell):
                yield Markup('<td colspan="{}">{}</td>').format(cell.columns, self.text(cell.text))
                at += cell.columns
                continue
            column, at = columns[at], at + 1
            name = (
                Markup(' data-name="{}"').format(column.name or str(column.heading)) if table.look == "figures" else ""
            )
            yield Markup("<td{}{}>{}</td>").format(_class(column.look), name, self.text(cell))

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
                    text.by, text.text, letter
                )
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


def _sheet() -> str:
    return (files("simulator.reporting") / "style.css").read_text(encoding="utf-8")


def _with_sheet_of_now(page: str) -> str:
    """The page of an earlier version with the style sheet of this one."""
    found = _STYLE.search(page)
    if found is None or hashlib.sha256(found[0].strip().encode()).hexdigest() not in _EARLIER_SHEETS:
        return page
    return page[: found.start()] + f"\n{_sheet()}\n" + page[found.end() :]


def secured(page: str) -> str:
    """The page with its Content-Security-Policy, which names the hash of its style sheet.

    What elements say of their style moves into that sheet: a policy that let style attributes through would also let
    through those of a stranger. A page of an earlier version comes out as this version would have made it.
    """
    page = _with_sheet_of_now(page)
    rules: dict[str, str] = {}

    def attribute(found: re.Match[str]) -> str:
        number = rules.setdefault(found[1], str(len(rules)))
        return f' data-style="{number}"'

    body = "".join(
        _STYLE_ATTRIBUTE.sub(attribute, part) if part.startswith("<") else part for part in re.split(r"(<[^>]*>)", page)
    )
    added = "".join(f'[data-style="{number}"] {{ {rule}; }}\n' for rule, number in rules.items())
    body = _STYLE.sub(lambda found: found[0] + added, body, count=1)
    style = _STYLE.search(body)
    digest = base64.b64encode(hashlib.sha256((style[0] if style else "").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
    )
    return body.replace(_HEAD, _HEAD + meta, 1)
