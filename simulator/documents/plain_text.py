"""The words of a page: HTML without its marks, scripts and hidden parts."""

from __future__ import annotations

from html.parser import HTMLParser

_UNSEEN = frozenset({"script", "style", "head", "title", "ix:header", "template", "noscript"})
_BREAKS = frozenset({"p", "br", "div", "tr", "td", "th", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol"})


class _Words(HTMLParser):
    def __init__(self, most: int) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.left = most
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._hidden.append(tag)
        elif tag in _BREAKS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden and tag == self._hidden[-1]:
            self._hidden.pop()
        elif tag in _BREAKS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden and self.left > 0:
            self.parts.append(data[: self.left])
            self.left -= len(data)


def words_of_page(text: str, most: int) -> str:
    """The text of HTML, or of plain text, on one line of at most ``most`` characters."""
    if "<" not in text and "&" not in text:
        return " ".join(text[: 2 * most].split())[:most]
    words = _Words(2 * most)
    words.feed(text[: 200 * most])
    words.close()
    return " ".join("".join(words.parts).split())[:most]
