"""The command analytics: what there is to measure of a market's past, and what one's own analytic comes to."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import console
from simulator.cli.console import AsJson

if TYPE_CHECKING:
    from llm_strategy.market.analytics.analytic import Analytic

_WIDTH = 80
_NEEDS = {"volume": "volumes", "symbols": "several symbols"}


def analytics(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Names of the list, or your own as FILE.py:NAME or package.module:NAME.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the analytics that can be shown to a model, with what each looks back on, costs and gives.

    Times are measured now, on synthetic prices; your own analytic is tried on prices that end after a bar, too.

    Example: btllm analytics trend_strength
    """
    from llm_strategy.market.analytics.registry import analytic_names, is_own
    from simulator.progress.surfaces import progress_on_stderr

    chosen = tuple(dict.fromkeys(names or analytic_names()))
    with progress_on_stderr() as progress:
        progress.begin("measuring")
        from simulator.runs.lookahead.trial import AnalyticTrial

        trial = AnalyticTrial(chosen)
        trial.refuse_lookahead()
        found = [(trial.analytics[name], name, trial.milliseconds(name)) for name in chosen]
        notes = [fault for name in chosen if is_own(name) for fault in trial.faults(name)]
        progress.drop()
    if as_json:
        console.print_json([_document(analytic, name, spent) for analytic, name, spent in found])
    else:
        for analytic, name, spent in found:
            lines = _in_full(analytic, trial.text(name), spent) if names else _in_short(analytic, spent)
            console.say("\n".join(lines) + "\n")
        if not names:
            console.say("btllm analytics NAME says what each figure is.")
    for fault in notes:
        console.note(f"Note: {fault}")


def _in_short(analytic: Analytic, spent: float) -> Iterator[str]:
    yield f"{analytic.name}: {_costs(analytic, spent)}"
    yield from _wrapped(analytic.description)
    yield from _wrapped(", ".join(f"{name} ({quantity.unit})" for name, quantity in analytic.outputs.items()))


def _in_full(analytic: Analytic, example: str, spent: float) -> Iterator[str]:
    yield f"{analytic.name}: {_costs(analytic, spent)}"
    yield from _wrapped(analytic.description)
    for name, quantity in analytic.outputs.items():
        words = f": {', '.join(quantity.words)}" if quantity.words else ""
        head = f"  {name:<20} {quantity.unit:<9} "
        yield from textwrap.wrap(
            f"{quantity.description}{words}", _WIDTH, initial_indent=head, subsequent_indent=" " * 33
        )
    yield from _wrapped(f"A model reads, on synthetic prices: {analytic.name}: {example}" if example else "")


def _costs(analytic: Analytic, spent: float) -> str:
    needs = "".join(f", needs {_NEEDS[need]}" for need in analytic.needs)
    return f"{analytic.lookback} bars, at most {analytic.tokens} tokens, {spent:.2f} ms{needs}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _document(analytic: Analytic, name: str, spent: float) -> dict[str, Any]:
    return {
        "name": analytic.name,
        "reference": name,
        "description": analytic.description,
        "lookback": analytic.lookback,
        "tokens": analytic.tokens,
        "milliseconds": round(spent, 3),
        "needs": list(analytic.needs),
        "offered": analytic.offered,
        "schema": analytic.schema,
    }
