"""How templates come to text: facts by id, sentences around facts, and outside text that stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from simulator.reporting.facts.fact import Fact, Facts, Unit


@cache
def html_templates() -> jinja2.Environment:
    """Templates of the page."""
    return _furnished(jinja2.Environment(autoescape=True))


@cache
def markdown_templates() -> jinja2.Environment:
    """Templates of the Markdown report."""
    environment = jinja2.Environment(finalize=escape_markdown, autoescape=False)  # noqa: S701 - finalize escapes
    return _furnished(environment)


def _furnished(environment: jinja2.Environment) -> jinja2.Environment:
    environment.loader = jinja2.FunctionLoader(read_template)
    environment.undefined = jinja2.StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = environment.keep_trailing_newline = True
    environment.filters |= {"money": _money, "shares": _shares, "day": _day}
    return environment


def read_template(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("simulator.reporting.templates") / name).read_text(encoding="utf-8")


def helpers(facts: Facts, spell: Callable[[Fact], Markup], clean: Callable[[Any], Markup]) -> dict[str, Any]:
    """The only ways to a number: ``fact(id)``, and ``say(sentence)`` for a sentence with ``{id}`` where facts stand."""

    def fact(identity: str) -> Markup:
        return spell(facts[identity])

    def say(sentence: str) -> Markup:
        parts = re.split(r"\{([^{}]+)\}", sentence)
        return Markup("").join(fact(part) if number % 2 else clean(part) for number, part in enumerate(parts))

    return {"fact": fact, "say": say}


def fact_in_html(fact: Fact) -> Markup:
    """A fact in its own element, so that a page can be checked against its facts."""
    if fact.unit is Unit.TEXT:
        return Markup('<span data-fact="{}">{}</span>').format(fact.id, fact.text)
    return Markup('<data data-fact="{}" value="{}" title="{}">{}</data>').format(
        fact.id, fact.value, fact.label, fact.text
    )


def fact_in_markdown(fact: Fact) -> Markup:
    """A fact as its text."""
    return escape_markdown(fact.text)


def escape_markdown(value: object) -> Markup:
    """One line in which nothing is markup, wherever it stands: pipes, line feeds, tags, emphasis, links, code, and what
    begins a heading, a list or a rule are spelled out."""
    if isinstance(value, Markup):
        return value
    line = re.sub(r"\s+", " ", str(value))
    line = re.sub(r"([\\`*\[\]|])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^( ?\d*)(?=[#+=-]+( |$)|(?<=\d)[.)]( |$))", r"\1\\", line)
    return Markup(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704 - escaped above


def without_bare_links(markdown: str) -> str:
    """A Markdown report in which no address becomes a link, and nothing is struck through, by itself."""
    return re.sub(r"(?<!\\)(?=://)|(?<=www)(?=\.)|(?<=~)(?=~)", r"\\", markdown)


def _money(value: float | None) -> str:
    """A price or an amount of a quoted row."""
    if value is None:
        return ""
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def _shares(value: float) -> str:
    """A size of a quoted row, or a limit: as many decimals as it has."""
    return f"{value:,.10g}"


def _day(value: object) -> str:
    """A time of a quoted row, without its hour at midnight."""
    text = value.isoformat() if isinstance(value, pd.Timestamp) else str(value or "")
    return text.removesuffix("T00:00:00")
