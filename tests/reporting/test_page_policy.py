"""The page carries a policy under which a browser runs only its own script and asks nobody; its own style meets it."""

import base64
import hashlib
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from page_parser import Page
from record_factory import EXPLANATION, write_comparison
from small_run import reader, recording, small, strip_seals

import simulator
from simulator.folder.record import load_record
from simulator.reporting.page import build_facts, render
from simulator.reporting.page_frame import secured
from simulator.runs.replaying import replay

pytestmark = pytest.mark.slow

LOADING = (
    "src",
    "srcset",
    "href",
    "xlink:href",
    "data",
    "action",
    "formaction",
    "poster",
    "background",
    "ping",
    "manifest",
)
DATA = "application/octet-stream"
"""The type of a block that holds data: no browser runs one."""
META = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


class Elements(HTMLParser):
    """Every tag with its attributes, and the text of every style sheet and of every script that a browser would run."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.styles, self.scripts = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_data(self, data):
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag == "style" and not self.styles:
            self.styles.append(data)
        elif tag == "script" and attributes.get("type") != DATA and self.open == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self.open = ""


def page_of(folder, symbols=("SYN",), **made):
    record = load_record(write_comparison(folder, bars=120, symbols=symbols, **made).folder)
    facts = build_facts(record)
    return render(record, facts, EXPLANATION), facts


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("page"), ("A", "B"))[0].html


def policy_of(html):
    (content,) = META.findall(html)
    return {name: values.split() for name, _, values in (part.strip().partition(" ") for part in content.split(";"))}


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(html):
    policy = policy_of(html)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert set(policy) == {"default-src", "base-uri", "form-action", "style-src", "script-src"}
    (style,), (script,) = Elements(html).styles, Elements(html).scripts
    for name, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[name] == [f"'sha256-{digest}'"]
    assert html.index("Content-Security-Policy") < html.index("<style"), "a policy holds for what comes behind it"
    assert '<meta name="referrer" content="no-referrer">' in html


def test_nothing_on_the_page_needs_more_than_the_policy_allows(html):
    for tag, attributes in Elements(html).tags:
        assert tag not in ("iframe", "object", "embed", "link", "base", "form", "img", "image"), tag
        assert tag != "script" or attributes in ({}, {"type": DATA, "data-name": attributes.get("data-name")})
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert all((attributes.get(name) or "#").startswith("#") for name in LOADING), attributes
    assert not re.search(r"@import|url\((?!#)|expression\(|javascript:|innerHTML|\beval\b|insertAdjacent", html)


def test_the_script_is_small_and_plain():
    scripts = sorted((files("simulator.reporting") / "scripts").iterdir(), key=lambda one: one.name)
    texts = [one.read_bytes() for one in scripts]
    assert 10_000 < sum(map(len, texts)) <= 40 * 1024
    assert all(text.isascii() and b"</" not in text for text in texts)


def test_a_script_of_somebody_else_is_not_named_by_the_policy():
    page = '<meta charset="utf-8">\n<style></style><script>alert(1)</script>'
    assert "script-src" not in policy_of(secured(page))


def test_what_elements_said_of_their_style_stands_in_the_sheet(html):
    (sheet,) = Elements(html).styles
    used = {attributes["data-style"] for _, attributes in Elements(html).tags if "data-style" in attributes}
    assert len(used) > 3
    assert used == set(re.findall(r'\[data-style="(\d+)"\] \{ [^{}]+; \}', sheet))
    assert 'class="swatch" data-style=' in html


def test_a_page_with_another_style_or_script_has_another_policy(html):
    assert secured("<style>a</style>") == "<style>a</style>", "only a page with a head has a place for it"
    head = '<meta charset="utf-8">\n<style>\na { }\n</style>'
    one, two = secured(head), secured(f'{head}<p style="color: red">style="x"</p>')
    assert policy_of(one) != policy_of(two)
    assert '<p data-style="0">style="x"</p>' in two
    assert '[data-style="0"] { color: red; }' in two


def unseen(request):
    """A reader whose rationale holds a sign that nobody sees."""
    return reader(request) | {"rationale": "Above \U0001f469\u200d\U0001f4bb."}


def plain(page):
    """The page as it was before it carried a policy."""
    rules = dict(re.findall(r'\[data-style="(\d+)"\] \{ ([^{}]+); \}\n', page))
    page = re.sub(r'\[data-style="\d+"\] \{ [^{}]+; \}\n', "", page)
    page = re.sub(r' data-style="(\d+)"', lambda found: f' style="{rules[found[1]]}"', page)
    return META.sub("", page).replace('\n<meta name="referrer" content="no-referrer">\n', "")


def test_a_folder_of_before_the_policy_replays_and_a_forged_page_does_not(tmp_path):
    wanted = small(tmp_path, data={"source": "synthetic:cycles?bars=300&seed=5"}, arms=["llm", "buy_and_hold"])
    folder = strip_seals(simulator.compare(wanted, client=recording(unseen)[0]).folder)
    simulator.rebuild_report(folder)
    page = folder / "report.html"
    now = page.read_text()
    before = plain(now).replace("\\u200d", "\u200d")
    notes = folder / "report.md"
    notes.write_text(notes.read_text().replace("\\u200d", "\u200d"))
    assert "Content-Security-Policy" not in before
    assert 'style="background: ' in before
    assert "\u200d" in before
    assert "\u200d" in notes.read_text()
    for text, same in (
        (before, True),
        (before.replace("</main>", "<script>x()</script></main>"), False),
        (before.replace("<style>", "<style>.notes { display: none }"), False),
    ):
        page.write_text(text)
        assert [check.name for check in replay(folder) if not check.same] == ([] if same else ["report.html"])


SYMBOLS = [
    ("{x}", "{{7*7}}", "{% raw %}", "{llm.sharpe}"),
    ("<script>alert(1)</script>", "&amp;", '"q" onload="x', "<g>"),
    ("#010abc", "1.23456789", "y", "id"),
    ("A.B", "A/B", "A_B_2", "$x$"),
    ("a|b", "`c`", "x" * 40, "100% C:\\t"),
    ("llm", 'style="x"', "url(#a)", "\u682a\u0628 \U0001f4c8\u00e9"),
]


@pytest.mark.parametrize("symbols", SYMBOLS, ids=ascii)
def test_symbols_of_any_kind_stand_in_page_and_figures_as_they_are(tmp_path, symbols):
    report, facts = page_of(tmp_path, symbols)
    page = Page(report.html)
    assert page.problems == []
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {text for name, text in page.facts if re.fullmatch(r"symbol\..*\.name", name)} == set(symbols)
    (price,) = re.findall(r'<figure id="price".*?</figure>', report.html, flags=re.DOTALL)
    shown = [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", price)]
    assert set(symbols) <= set(shown)
    assert len({name for name in facts if re.fullmatch(r"symbol\..*\.name", name)}) == len(symbols)
    assert {tag for tag, _ in Elements(report.html).tags} & {"img", "b"} == set()
    assert len(Elements(report.html).scripts) == 1
    rows = [row for row in report.markdown.splitlines() if row.startswith("|")]
    table = rows[next(number for number, row in enumerate(rows) if row.startswith("| Symbol")) :]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table[: 2 + len(symbols)]} == {table[0].count("|")}
