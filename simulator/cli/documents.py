"""Commands about dated texts: documents load sec, rss and csv make the JSONL that the source ``documents`` reads, and
documents check reads it as a run would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.cli import console

MOST_INPUT = 1 << 28
"""Bytes of a feed or a submission."""
Files = Annotated[list[Path], typer.Argument(help="Files, in any order.")]
To = Annotated[Path, typer.Option("--to", help="The JSONL file to write, such as news.jsonl.")]
Longest = Annotated[int, typer.Option(min=100, max=100_000, help="Characters that are kept of a text.")]
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="A symbol that every text is about.")]

app = typer.Typer(no_args_is_help=True, help="Dated texts for the source of context documents: load, check.")
load = typer.Typer(no_args_is_help=True, help="Make dated texts of filings, feeds and tables: sec, rss, csv.")
app.add_typer(load, name="load")


@load.command()
def rss(files: Files, to: To, symbol: Symbols = None, max_chars: Longest = 20_000) -> None:
    """Read saved feeds (RSS, Atom), each entry from its publication or last update on.

    Example: btllm documents load rss feed.xml --to news.jsonl
    """
    from simulator.documents.feeds import read_feed

    about = {"symbols": symbol} if symbol else {}
    _write((row | about for file in files for row in read_feed(file, _bytes(file), max_chars)), to)


@load.command()
def sec(
    to: To,
    files: Annotated[list[Path] | None, typer.Argument(help="Complete submission text files of EDGAR (.txt).")] = None,
    symbol: Symbols = None,
    form: Annotated[str, typer.Option(help="Without files: the form to fetch, such as 8-K.")] = "8-K",
    since: Annotated[str, typer.Option(help="Without files: the first day of filing.")] = "2000-01-01",
    identity: Annotated[str, typer.Option(help="Without files: your name and address, which the SEC asks for.")] = "",
    max_chars: Longest = 20_000,
) -> None:
    """Read filings, each from the moment when EDGAR had accepted and spread it; without files they are fetched.

    Example: btllm documents load sec filings/*.txt --symbol AAPL --to filings.jsonl
    """
    from llm_strategy.errors import ConfigurationError
    from simulator.documents.sec import fetch_submissions, read_submission

    symbols = tuple(symbol or ())
    if files:
        if identity:
            raise ConfigurationError("--identity is for filings that are fetched, and files are named: leave one out.")
        _write((read_submission(file, _bytes(file), max_chars, symbols) for file in files), to)
        return
    if not symbols or not identity:
        raise ConfigurationError(
            "There are no filings: name submission files (.txt), or --symbol and --identity to have them fetched."
        )
    _write(
        (
            read_submission(f"filing {number}", content, max_chars, (each,))
            for each in symbols
            for number, content in fetch_submissions(each, form, since, identity)
        ),
        to,
    )


@load.command()
def csv(
    files: Files,
    to: To,
    time: Annotated[str, typer.Option(help="The column with the time.")] = "available_at",
    text: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    title: Annotated[str, typer.Option(help="The column with a title.")] = "",
    symbols: Annotated[str, typer.Option(help="The column with symbols.")] = "",
    source: Annotated[str, typer.Option(help="The column that says where a text is from.")] = "",
    id_column: Annotated[str, typer.Option("--id", help="The column with an id.")] = "",
    zone: Annotated[str, typer.Option(help="The zone of times without one, such as America/New_York.")] = "",
    max_chars: Longest = 20_000,
) -> None:
    """Read tables (CSV, JSONL, Parquet) whose columns have names of their own; a date alone counts from its end on.

    Example: btllm documents load csv headlines.csv --time published --text headline --zone UTC --to news.jsonl
    """
    from simulator.documents.tables import Columns, read_table

    columns = Columns(time, text, title, symbols, source, id_column, zone)
    _write((row for file in files for row in read_table(file, columns, max_chars)), to)


@app.command()
def check(files: Files) -> None:
    """Read dated texts as a run would, and say how many there are, from when to when.

    Example: btllm documents check news.jsonl
    """
    from llm_strategy.market.context.texts.corpus import read_corpus

    _tell(read_corpus(files))


def _bytes(file: Path) -> bytes:
    from llm_strategy.errors import ConfigurationError
    from llm_strategy.support.read_regular import read_bytes

    try:
        return read_bytes(file, MOST_INPUT)
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {file}: correct the path.") from None
    except OSError as problem:
        raise ConfigurationError(f"{file} cannot be read: {problem}.") from None


def _write(rows: Iterable[Mapping[str, Any]], to: Path) -> None:
    from simulator.documents.write import write_texts

    _tell(write_texts(rows, to))
    console.say(f"Written: {to}")


def _tell(corpus: Any) -> None:
    from llm_strategy.market.context.moments import iso_zoned

    console.say(
        f"{len(corpus):,} text{'' if len(corpus) == 1 else 's'}, available from "
        f"{iso_zoned(corpus[0].available_at)} to {iso_zoned(corpus[-1].available_at)}"
    )
