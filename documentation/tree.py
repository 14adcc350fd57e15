"""The tree that the site is built of: the pages of ``docs/``, those written from the code, notebooks, examples.

On the site nothing lies outside of it, so a link to a file of the repository (``../examples/own_rule.py``) leads to a
page that shows the file, made here. The pages read the same in the repository as on the site.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from documentation import api, commands, notebooks, parts, settings, terms

ROOT = Path(__file__).resolve().parent.parent
GENERATED: dict[str, Callable[[], str]] = {
    "reference/experiment.md": settings.experiment_settings,
    "reference/runtime.md": settings.runtime_settings,
    "reference/parts.md": parts.parts,
    "reference/facts.md": terms.facts,
    "reference/commands.md": commands.command_line,
    "reference/python.md": api.python_api,
}
"""Pages that are written from the code, by their place."""
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)]*)?\)")
_AS_THEY_ARE = {".html", ".png", ".svg", ".css"}
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".j2": "jinja", ".json": "json", ".toml": "toml"}


def write_tree(out: Path) -> None:
    """Write the whole tree into a folder, which is emptied before."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "docs", out, ignore=shutil.ignore_patterns("*.ipynb", "*.lock"))
    for place, written in GENERATED.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(written(), encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.ipynb"):
        target = out / path.relative_to(ROOT / "docs").with_suffix(".md")
        target.write_text(notebooks.page(notebooks.read(path)), encoding="utf-8")
    for page in sorted(out.rglob("*.md")):
        page.write_text(bring_along(page.read_text(encoding="utf-8"), page.relative_to(out), out), encoding="utf-8")


def bring_along(text: str, place: Path, out: Path) -> str:
    """The text of a page with its links to files outside of ``docs/`` leading to copies on the site, which are
    written, too."""

    def changed(link: re.Match[str]) -> str:
        target = link["target"]
        if ":" in target:
            return link[0]
        if target.endswith(".ipynb"):
            return f"{link['before']}{target.removesuffix('.ipynb')}.md{link['anchor'] or ''})"
        meant = Path(os.path.normpath(ROOT / "docs" / place.parent / target))
        if meant.is_relative_to(ROOT / "docs") or not meant.is_relative_to(ROOT) or not meant.exists():
            return link[0]
        copy = show_file(meant, out)
        return f"{link['before']}{os.path.relpath(out / copy, out / place.parent)}{link['anchor'] or ''})"

    pieces = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(piece if piece.startswith("```") else _LINK.sub(changed, piece) for piece in pieces)


def show_file(path: Path, out: Path) -> Path:
    """Write the page that shows a file or a folder of the repository; gives its place on the site."""
    place = Path("repository") / path.relative_to(ROOT)
    if path.suffix in _AS_THEY_ARE:
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / place)
        return place
    place = place.with_name(place.name + ".md") if path.suffix != ".md" else place
    if (out / place).exists():
        return place
    (out / place).parent.mkdir(parents=True, exist_ok=True)
    (out / place).touch()  # two files may name each other
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir() if one.is_file() and one.suffix in _LANGUAGES)
        text = f"# {path.name}\n\n" + "\n".join(
            f"- [{name}]({path.name}/{show_file(path / name, out).name})" for name in names
        )
    elif path.suffix == ".md":
        text = _of_repository(path.read_text(encoding="utf-8"), path, place, out)
    else:
        written = path.read_text(encoding="utf-8").rstrip()
        text = f"# {path.name}\n\n```{_LANGUAGES.get(path.suffix, 'text')}\n{written}\n```"
    (out / place).write_text(text + "\n", encoding="utf-8")
    return place


def _of_repository(text: str, path: Path, place: Path, out: Path) -> str:
    """A page of the repository (such as ``CHANGELOG.md``) with its links from where it stands on the site."""

    def changed(link: re.Match[str]) -> str:
        meant = Path(os.path.normpath(path.parent / link["target"]))
        if ":" in link["target"] or not meant.is_relative_to(ROOT) or not meant.exists():
            return link[0]
        there = meant.relative_to(ROOT / "docs") if meant.is_relative_to(ROOT / "docs") else show_file(meant, out)
        return f"{link['before']}{os.path.relpath(out / there, (out / place).parent)}{link['anchor'] or ''})"

    return _LINK.sub(changed, text)


def dead_links(out: Path) -> list[str]:
    """Links of a tree that lead to no file, or to no heading of a page: ``page: target``."""
    found = []
    for page in sorted(out.rglob("*.md")):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in _LINK.finditer(text):
            if ":" in link["target"]:
                continue
            meant = page.parent / link["target"]
            known = meant.is_file() and (
                not link["anchor"] or meant.suffix != ".md" or link["anchor"][1:] in anchors(meant)
            )
            if not known:
                found.append(f"{page.relative_to(out)}: {link['target']}{link['anchor'] or ''}")
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            if anchor not in anchors(page):
                found.append(f"{page.relative_to(out)}: #{anchor}")
    return found


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as the site and the repository's host name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+?)\s*$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", one)).strip().lower() for one in headings)
    return {re.sub(r"[\s]+", "-", one) for one in plain}
