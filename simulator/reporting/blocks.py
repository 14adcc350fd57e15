"""What a section of a report is made of: blocks that say what is told, and nothing of how HTML or Markdown write it.

A text is a string, in which ``{id}`` is the fact of that id and so the only way to a number; ``*word*`` is emphasised
and `` `word` `` is code. Text from outside is ``Quoted``. A tuple is one text in pieces, side by side; a list is
several sentences, with a space between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from llm_strategy.shown import Image

if TYPE_CHECKING:
    from simulator.reporting.charts.chart import Chart


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text from outside, shown as it is; ``look`` is ``code``, ``emphasis``, ``small``, ``q``, ``read`` (what the model
    was shown), ``alarm`` or ``swatch`` (a label beside its ``colour``, as a style sheet writes it; one of the causal
    rule's has one already)."""

    text: object
    look: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Who wrote a sentence, the ``model`` or the ``program``, as a mark behind it; alone where there is no text."""

    by: str
    text: Text = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to the heading of this ``id`` on the page; where the page has no such heading, and in Markdown,
    they are words alone."""

    words: str
    id: str


Text: TypeAlias = "str | Quoted | Source | Link | Sequence[Text]"
"""See the top of this file."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text of a table that goes over several columns, or has a shade: ``tint`` from -4 (far below) to 4 (far above
    zero)."""

    text: Text
    columns: int = 1
    tint: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the first one of a section names it, and ``id`` is its name in links. ``look`` is a class of it."""

    text: Text
    id: str = ""
    level: int = 2
    look: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; ``look`` is ``note`` (small), ``quiet``, ``strong``, ``verdict`` (its first sentence strong) or
    ``unscripted``, which stands only where no script runs."""

    text: Text
    look: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list, under a sentence where ``title`` holds one; ``label`` names it then to those who do not see it."""

    items: Sequence[Text]
    title: str = ""
    label: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class Chips:
    """Short labels in a row."""

    labels: Sequence[Text]


@dataclass(frozen=True, slots=True)
class Banner:
    """What stands in alarming colours above everything else: its first words, and the rest."""

    title: Text
    text: Text


class Column(NamedTuple):
    """The head of a column; ``look`` is ``text`` among figures and ``number`` or ``long`` among texts."""

    heading: Text
    look: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, a row a tuple of texts whose first one heads it.

    ``look`` is ``figures``, ``matrix`` (a row with a head begins a group), ``months`` (twelve columns that fold on a
    phone), ``quoted`` or ``rows`` (texts), ``limits`` or ``counts`` (small ones that do not scroll).
    ``label`` names it where it has no heading just above; the row headed ``marked`` stands out.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Text | Cell]]
    look: str = "figures"
    label: str = ""
    caption: str = ""
    marked: str | None = None
    tall: bool = False

    @property
    def heads(self) -> list[Column]:
        """The heads of all columns, those that are a text alone too."""
        return [column if isinstance(column, Column) else Column(column) for column in self.columns]


@dataclass(frozen=True, slots=True)
class Grid:
    """Small tables or figures beside each other, as many as the window is wide."""

    tables: Sequence[Table | Figure]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart under its title; Markdown has none."""

    chart: Chart


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that stands in the page itself, as a model was shown it; ``alt`` says in words what it is. Markdown names
    it."""

    image: Image
    alt: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text in which line ends count, such as JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Details:
    """Blocks under a summary, folded away unless ``open``."""

    summary: str
    blocks: Sequence[Block]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Scripted:
    """A place that the page's own script of this name fills, and the packed documents that it reads, by name: text that
    means nothing to HTML. Markdown has none, and without scripts it stays empty."""

    name: str
    documents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Only:
    """Blocks of one rendering, the page or else the Markdown report, which is the shorter one."""

    blocks: Sequence[Block]
    on_page: bool


Block: TypeAlias = (
    Heading | Paragraph | Items | Chips | Banner | Table | Grid | Figure | Picture | Code | Details | Scripted | Only
)


def on_page(*blocks: Block) -> Only:
    """Blocks that stand on the page alone."""
    return Only(blocks, on_page=True)


def in_markdown(*blocks: Block) -> Only:
    """Blocks that stand in the Markdown report alone."""
    return Only(blocks, on_page=False)


def blocks_for(blocks: Iterable[Block], *, page: bool) -> Iterator[Block]:
    """The blocks of one rendering."""
    for block in blocks:
        if not isinstance(block, Only):
            yield block
        elif block.on_page is page:
            yield from blocks_for(block.blocks, page=page)


def heading_ids(blocks: Iterable[Block]) -> Iterator[str]:
    """The ids of all headings that the page shows of these blocks."""
    for block in blocks_for(blocks, page=True):
        if isinstance(block, Heading) and block.id:
            yield block.id
        elif isinstance(block, Details):
            yield from heading_ids(block.blocks)


_PIECES = re.compile(r"\{(?P<fact>[^{}]+)\}|`(?P<code>[^`]+)`|\*(?P<emphasis>[^*]+)\*")


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """A string in pieces: ``("", words)``, ``("fact", id)``, ``("code", words)`` and ``("emphasis", words)``."""
    at = 0
    for found in _PIECES.finditer(text):
        if found.start() > at:
            yield "", text[at : found.start()]
        yield str(found.lastgroup), str(found[str(found.lastgroup)])
        at = found.end()
    if at < len(text):
        yield "", text[at:]


def money(value: float | None) -> str:
    """A price or an amount of a quoted row."""
    if value is None:
        return ""
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def shares(value: float) -> str:
    """A size of a quoted row, or a limit: as many decimals as it has."""
    return f"{value:,.10g}"
