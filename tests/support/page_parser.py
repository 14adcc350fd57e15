"""A page as a reader meets it."""

from html.parser import HTMLParser

VOID = {"meta", "br", "path", "use", "img", "hr", "link", "rect"}


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
        return tag in ("style", "svg", "code", "pre") or "quoted" in classes or "provenance" in classes
