"""The page around what sections tell: its frame with the contents, and the policy under which a browser shows it (no
script and no style but the page's own, and no request to anywhere).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from simulator.reporting.markup import Markup

RUN, SWEEP = "run", "sweep"
"""Pages with a script of their own."""
_SCRIPTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {RUN: ("scripts",), SWEEP: ("scripts/1_documents.js", "sweep/configurations.js")}
)
_SHEETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"": ("styles",), RUN: ("styles",), SWEEP: ("styles", "sweep")}
)
_HEAD = '<meta charset="utf-8">\n'
_FRAME = Markup(  # noqa: S704 - our own
    f"""<!DOCTYPE html>
<html lang="en">
<head>
{_HEAD}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}}: {{what}}</title>
<style>
{{style}}
</style>
</head>
<body>
{{contents}}<main>
{{body}}
</main>
{{script}}</body>
</html>
"""
)
_STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.DOTALL)
_EARLIER_SHEETS = frozenset(
    {
        "bb5dea7ffe47b64d5261c5917974b9887a668e306c5db1a435bc3ea289ffdcc5",
        "8cc6e30e92eb98401835dfe1d4be5e3479af89cf5fb5f87b984743bf09b74233",
        "d8785def92bd9dae8f275fb42d991664d43b3690efcf68a721b134b952f8dc39",
    }
)
"""sha256 of the style sheets of earlier versions, without the white space around them: no other is put right."""
_IMAGE = re.compile(r'<img alt="[^"]*" src="data:image/png;base64,')
"""What a model was shown, in the page itself; what others wrote is never an element."""
_STYLE_ATTRIBUTE = re.compile(r'\sstyle="([^"]*)"')


def page(
    title: str,
    sections: Iterable[Markup],
    contents: Iterable[tuple[str, str]] = (),
    *,
    script: str = "",
    what: str = "report",
) -> str:
    """The whole page, ``what`` it is in its title; ``contents`` are ids and texts of headings to which a list beside it
    leads, and with ``script`` (``RUN``, ``SWEEP``) the script of such pages stands at its end."""
    body = Markup("\n\n").join(sections)
    return _FRAME.format(
        title=title,
        what=what,
        style=Markup(_joined(_SHEETS[script], ".css")),  # noqa: S704 - our own
        body=body,
        contents=_contents(contents),
        script=Markup("<script>{}</script>\n").format(_script(script)) if script else "",
    )


def _contents(headings: Iterable[tuple[str, str]]) -> Markup:
    """A list of links, beside the page where the window is wide, and else behind a button."""
    items = Markup("\n").join(Markup('<li><a href="#{}">{}</a></li>').format(*heading) for heading in headings)
    if not items:
        return Markup()
    return Markup(
        '<button class="contents-button" type="button" popovertarget="contents">Contents</button>\n'
        '<nav class="contents" id="contents" aria-label="Contents" popover>\n<ol>\n{}\n</ol>\n</nav>\n'
    ).format(items)


def _joined(places: Iterable[str], ending: str) -> str:
    """All files of these folders with this ending in the order of their names: what stands later counts where two style
    sheets speak of the same. A place that is a file is that file alone."""
    found: list[Traversable] = []
    for place in places:
        at = files("simulator.reporting") / place
        of_folder = [one for one in at.iterdir() if one.name.endswith(ending)] if at.is_dir() else [at]
        found += sorted(of_folder, key=lambda one: one.name)
    return "".join(one.read_text(encoding="utf-8") for one in found)


def _script(script: str) -> Markup:
    return Markup("\n{}").format(Markup(_joined(_SCRIPTS[script], ".js")))  # noqa: S704 - our own


def _with_sheet_of_now(page: str) -> str:
    """The page of an earlier version with the style sheet of this one."""
    found = _STYLE.search(page)
    if found is None or hashlib.sha256(found[0].strip().encode()).hexdigest() not in _EARLIER_SHEETS:
        return page
    return page[: found.start()] + f"\n{_joined(_SHEETS[RUN], '.css')}\n" + page[found.end() :]


def secured(page: str) -> str:
    """The page with its Content-Security-Policy, which names the hash of its style sheet, and that of the script of
    this version where it stands there: no other runs.

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
    known = (script for script in map(_script, _SCRIPTS) if f"<script>{script}</script>" in body)
    scripts = "".join(f"script-src '{_hashed(script)}'; " for script in known)
    images = "img-src data:; " if _IMAGE.search(body) else ""
    styles = f"style-src '{_hashed(style[0] if style else '')}'; "
    policy = f"default-src 'none'; {styles}{scripts}{images}base-uri 'none'; form-action 'none'"
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
    )
    return body.replace(_HEAD, _HEAD + meta, 1)


def _hashed(text: str) -> str:
    """A style sheet or a script as a policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
