"""A page as a reader meets it."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from importlib.resources import files

DATA = re.compile(r'<script type="application/octet-stream" data-name="[\w-]+">[A-Za-z0-9+/=]*</script>')
"""A block of data for the page's own script: no browser runs it, and no letter of it opens an element."""
VOID = {"meta", "br", "path", "use", "img", "hr", "link", "rect"}


def without_script(html):
    """A page's HTML outside its own script and the data of that: the script must be the program's, to the byte, so any
    other stays."""
    scripts = sorted((files("simulator.reporting") / "scripts").iterdir(), key=lambda one: one.name)
    own = "".join(one.read_text(encoding="utf-8") for one in scripts)
    return DATA.sub("", html.replace(f"<script>\n{own}</script>", "", 1))


def text_of(html):
    """What a page says without its script and its style, in one line."""
    shown = re.sub(r"<style>.*?</style>", "", without_script(html), count=1, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))


def chart_tree(chart):
    """A chart as a browser would parse it."""
    return ElementTree.fromstring(f"<div>{chart.__html__()}</div>")  # noqa: S314 - our own


class Page(HTMLParser):
    """What a page says: text outside quoted rows, figures and provenance; facts by id; ids; tags left open."""

    def __init__(self, html):
        super().__init__()
        self.said, self.facts, self.ids, self.hrefs, self.open, self.problems = "", [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if "id" in known:
            self.ids.append(known["id"])
        self.hrefs += [value for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append((tag, known))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1][0] != tag:
            self.problems.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and "data-fact" in self.open[-1][1]:
            self.facts.append((self.open[-1][1]["data-fact"], data))
        elif not any(self._exempt(tag, known) for tag, known in self.open):
            self.said += data

    @staticmethod
    def _exempt(tag, known):
        classes = (known.get("class") or "").split()
        return tag in ("style", "script", "svg", "code", "pre") or "quoted" in classes or "provenance" in classes
