"""Where progress is shown: a terminal, a stream of plain lines such as the log of a CI job, or a notebook."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from llm_strategy.support.logs import in_notebook
from simulator.progress.stages import Progress

NEVER_SILENT_S = 4.5
"""Seconds between two lines of a stream: a reader waits no longer than five for a sign of life."""


class Terminal:
    """Finished stages as lines, the running one behind a spinner below them."""

    every = 0.25

    def __init__(self, stream: TextIO) -> None:
        self._text = ""
        self._console = Console(file=stream, soft_wrap=True, highlight=False, force_terminal=True)
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console, transient=True, refresh_per_second=8, get_renderable=self._rendered,
            redirect_stdout=False,
        )  # fmt: skip

    def open(self) -> None:
        """Begin."""
        self._live.start()

    def line(self, text: str) -> None:
        """Above what is live."""
        self._console.print(Text(text))

    def live(self, text: str, share: float | None = None) -> None:
        """Behind the spinner."""
        self._text = text

    def close(self) -> None:
        """Take the spinner away."""
        self._text = ""
        self._live.stop()

    def _rendered(self) -> RenderableType:
        if not self._text:
            return Text("")
        self._spinner.update(text=Text(self._text, no_wrap=True, overflow="ellipsis"))
        return self._spinner


class Lines:
    """Plain lines, no control characters."""

    every = NEVER_SILENT_S

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open(self) -> None:
        """Nothing to do."""

    def line(self, text: str) -> None:
        """A line."""
        print(text, file=self._stream, flush=True)

    def live(self, text: str, share: float | None = None) -> None:
        """A line, too."""
        self.line(text)

    def close(self) -> None:
        """Nothing to do."""


class Notebook:
    """One output cell that is written anew: lines, and a bar below them where it is known how much there is to do. It
    is HTML alone, so that it needs no widgets and looks alike in every front end."""

    every = 0.5

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._handle: Any = None

    def open(self) -> None:
        """Make room in the cell's output."""
        from IPython.display import display

        self._handle = display(self._content(""), display_id=True)  # type: ignore[no-untyped-call]

    def line(self, text: str) -> None:
        """A line that stays."""
        self._lines.append(text)
        self.live("")

    def live(self, text: str, share: float | None = None) -> None:
        """Below the lines."""
        if self._handle is not None:
            self._handle.update(self._content(text, share))

    def close(self) -> None:
        """Leave the lines."""
        self.live("")

    def _content(self, text: str, share: float | None = None) -> Any:
        from IPython.display import HTML

        told = html.escape("\n".join([*self._lines, *([text] if text else [])]))
        page = f'<pre style="white-space: pre-wrap; line-height: 1.35">{told}</pre>'
        if text and share is not None:
            page += f'<progress max="1" value="{share:.4f}" style="width: 30em; max-width: 100%">{share:.0%}</progress>'
        return HTML(page)  # type: ignore[no-untyped-call]


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """The progress of a command: alive on a terminal, plain lines elsewhere."""
    with _own_stderr() as stream, Progress(Terminal(stream) if stream.isatty() else Lines(stream)) as progress:
        yield progress


@contextmanager
def progress_for(wanted: Progress | bool | None) -> Iterator[Progress]:
    """The progress of a call in a program: the caller's own, which it opens and closes; with ``None`` one of its own
    where a person looks on (a notebook, a terminal); with ``True`` in any case, with ``False`` none."""
    if isinstance(wanted, Progress):
        yield wanted
    elif wanted is False:
        yield Progress()
    elif in_notebook():
        with Progress(Notebook()) as progress:
            yield progress
    elif wanted or _looked_at():
        with progress_on_stderr() as progress:
            yield progress
    else:
        yield Progress()


def _looked_at() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    """The error stream, under a number of its own where it is that of the process: engines in native code have theirs
    captured while they load, and the progress must be seen just then."""
    if sys.stderr is not sys.__stderr__ or sys.stderr is None:
        yield sys.stderr
        return
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        yield sys.stderr
        return
    with open(number, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as stream:
        yield stream
