"""A result as a notebook shows it: verdict, table of arms, and a picture of the accounts."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from llm_strategy.support.outside_text import spelled_out
from simulator.folder.record import Record
from simulator.reporting.facts.run import market_arms, subject_arm
from simulator.reporting.sections.charts import draw_accounts

if TYPE_CHECKING:
    from simulator.runs.result import Result

_COLOURS = {
    "--ink": "currentColor",
    "--ground": "transparent",
    "--rule": "rgba(128, 128, 128, .35)",
    "--market": "#868e98",
    "--quiet": "currentColor",
    **{f"--arm-{number}": hue for number, hue in enumerate(("#2f86d1", "#c8702a", "#3a9d78", "#b45a9c"))},
}
"""Of the picture: a notebook may be light or dark and does not always say which, so text has that of the notebook, and
lines have middle tones that stand out from white and from black."""


def result_html(result: Result) -> str:
    """The whole cell: no script, no request, no style but its own; what comes from outside is text."""
    warning = f"<p><strong>{escape(result.warning)}</strong></p>" if result.warning else ""
    notes = "".join(f"<p>Note: {escape(note)}</p>" for note in result.notes)
    heading = "Verdicts" if len(result.verdicts) > 1 else "Verdict"
    told = escape(f"{heading}: {result.verdicts_in_line()}. {' '.join(result.reasons)}")
    lines = "".join(f"<li>{escape(line)}</li>" for line in result.rests_on)
    under = escape("; ".join(result.chips))
    rest = f"<ul>{lines}</ul><p>{under}</p>" if result.reasons else ""
    report = escape(f"Report: {result.report}")
    picture = equity_picture(result.record)
    return spelled_out(f"{warning}{notes}<p>{told}</p>{rest}{picture}<p>{report}</p>{result.shown.to_html()}")


def equity_picture(record: Record) -> str:
    """The account that the report is about beside the market, as an SVG that needs nothing else; empty where there are
    no two bars of it."""
    subject, markets = subject_arm(record), market_arms(record)
    shown = [subject, *(arm for arm in record.arms if arm.name in markets and arm is not subject)]
    shown = [arm for arm in shown if len(arm.equity) > 1]
    if subject not in shown:
        return ""
    name = f"accounts-{str(record.manifest.get('identity'))[:8]}"  # several results may stand in one notebook
    chart = draw_accounts(record, name, "Account value, as a multiple of its value at the first decision", shown, "")
    colours = "; ".join(f"{variable}: {colour}" for variable, colour in _COLOURS.items())
    rules = (files("simulator.reporting") / "styles" / "3_charts.css").read_text(encoding="utf-8")
    style = f".{name} {{ {colours}; max-width: 60em; {rules} }}"  # the rules hold within this cell alone
    return f'<style>{style}</style><div class="{name}"><p>{escape(chart.title)}</p>{chart.__html__()}</div>'
