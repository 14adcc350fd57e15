"""The policy under which a browser shows a page: no script, no request to anywhere, and no style but the page's own."""

from __future__ import annotations

import base64
import hashlib
import re

_HEAD = '<meta charset="utf-8">\n'
_STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.DOTALL)
_STYLE_ATTRIBUTE = re.compile(r'\sstyle="([^"]*)"')


def secured(page: str) -> str:
    """The page with its Content-Security-Policy, which names the hash of its style sheet.

    What elements say of their style moves into that sheet: a policy that let style attributes through would also let
    through those of a stranger. A page of an earlier version comes out as this version would have made it.
    """
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
