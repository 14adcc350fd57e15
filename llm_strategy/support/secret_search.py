"""Where a text holds a secret, in whatever spelling somebody echoes it: in other letters, escaped, encoded, backwards,
or with blanks, line ends, quotes and invisible signs in between; whole, or a long piece of it.

Every known form of every secret is cut into pieces of six characters. A text is looked at in steps of three, so that a
run of eight characters of any form meets one of its pieces, in time in proportion to the length of the text.
"""

from __future__ import annotations

import base64
import codecs
import html
import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

SHORTEST = 8
"""Characters; a shorter form would be found in ordinary words."""
_LONG_PIECE = 12
"""Characters of a secret that give it away also where the rest is missing."""
_SURELY_NO_WORDS = 20
"""Letters that ordinary words do not happen to run through."""
_BEGINNING = 4
"""Letters at the end of a text from which on it may go on as a secret."""
_PIECE, _STEP = 6, 3
_MOST_PLACES = 8
"""Places of one piece that are looked at: a secret of one letter has as many as it is long."""
_DEEPEST = 3
"""Escapes within escapes that are undone."""

_ESCAPE = re.compile(
    r"(?:(?-i:\\U)0000|\\u|%u)([0-9a-f]{4})|\\[ux]\{([0-9a-f]{1,6})\}|(?:\\x|%|0x|=)([0-9a-f]{2})"
    r"|\\([0-3][0-7]{2})|(&(?:\#\d{1,7}|\#x[0-9a-f]{1,6}|[a-z]{2,6});?)|\\([\"'\\/])|\\[bfnrt]|<[^<>]{0,50}>",
    re.IGNORECASE,
)
"""Of JSON, programs, addresses, mail and pages; the tags of a page stand for nothing."""
_ESCAPE_BEGUN = re.compile(r"(?:\\[\w{]*|%\w*|&[\w#]*)$")
_LONGEST_ESCAPE = 12
_PIECES = re.compile(rf"(?=(.{{{_PIECE}}})).{{{_STEP}}}", re.DOTALL)
_PLACE = re.compile(r"[~.]{0,2}/|[A-Za-z]:[\\/]|\w+://")
_BETWEEN = re.compile(r"[\W_]+")

Span = tuple[int, int]


class _Form(NamedTuple):
    """One spelling: its text, how long a piece of it must be to count, and which of its characters show that a piece is
    no word (empty: all do)."""

    text: str
    least: int
    telling: Sequence[bool] = ()

    def counts(self, begin: int, end: int) -> bool:
        """Whether this piece gives the secret away."""
        if end - begin == len(self.text):
            return True
        return end - begin >= self.least and (not self.telling or any(self.telling[begin:end]))


class _Forms:
    """Forms, found by their pieces."""

    def __init__(self, forms: Iterable[_Form]) -> None:
        self._places: dict[str, list[tuple[_Form, int]]] = defaultdict(list)
        self._begun: dict[str, set[str]] = defaultdict(set)
        self._longest = 0
        for form in forms:
            self._begun[form.text[:_BEGINNING]].add(form.text)
            self._longest = max(self._longest, len(form.text))
            for at in range(len(form.text) - _PIECE + 1 if len(form.text) >= SHORTEST else 0):
                places = self._places[form.text[at : at + _PIECE]]
                if len(places) < _MOST_PLACES:
                    places.append((form, at))
        self._places.default_factory = self._begun.default_factory = None

    def may_stand_in(self, text: str) -> bool:
        """Whether the text has a piece of one."""
        return not self._places.keys().isdisjoint(_PIECES.findall(text))

    def open_from(self, text: str) -> int:
        """From where on the end of a text may be the beginning of one."""
        for begin in range(max(0, len(text) - self._longest), len(text) - _BEGINNING + 1):
            forms = self._begun.get(text[begin : begin + _BEGINNING], ())
            if any(form.startswith(text[begin:]) for form in forms):
                return begin
        return len(text)

    def spans(self, text: str) -> list[Span]:
        """Where they stand in a text."""
        found, at, free = [], 0, 0
        while at + _PIECE <= len(text):
            longest = (0, 0)
            for form, offset in self._places.get(text[at : at + _PIECE], ()):
                begin, end = _run(text, at, form.text, offset, free)
                if end - begin > longest[1] - longest[0] and form.counts(begin - at + offset, end - at + offset):
                    longest = (begin, end)
            if longest[1]:
                found.append(longest)
                at = free = longest[1]
            else:
                at += _STEP
        return found


def _run(text: str, at: int, form: str, offset: int, free: int) -> Span:
    """How far text and form agree around a piece of both, not further back than ``free``."""
    begin, end = at, at + _PIECE
    while begin > free and begin - at + offset > 0 and text[begin - 1] == form[begin - 1 - at + offset]:
        begin -= 1
    while end < len(text) and end - at + offset < len(form) and text[end] == form[end - at + offset]:
        end += 1
    return begin, end


class SecretSearch:
    """Finds these secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({*secrets, *(one.encode(errors="replace").decode("latin-1") for one in secrets)})
        self._known = bool(known)
        self._exact = _Forms(form for secret in known for form in _exact_forms(secret))
        self._loose = _Forms(form for secret in known for form in _loose_forms(secret))

    def strike(self, text: str, mark: str, begin: int = 0) -> str:
        """The text, from ``begin`` on, with ``mark`` in the place of every secret."""
        if not self._may_stand_in(text):
            return text[begin:]
        pieces: list[str] = []
        free = begin
        for start, end in sorted(self._spans(text)):
            if end <= free:
                continue
            if start >= free or not pieces:
                pieces += [text[free:start], mark]
            free = end
        return "".join([*pieces, text[free:]])

    def open_from(self, text: str) -> int:
        """From where on the end of a text may be the beginning of a secret, or of an escape."""
        begun = _ESCAPE_BEGUN.search(text, max(0, len(text) - _LONGEST_ESCAPE))
        first = begun.start() if begun else len(text)
        for shown, place in _views(text[:first]):
            folded = _folded(shown)
            at = [number for number, letter in enumerate(folded) if letter.isalnum()]
            loose = self._loose.open_from(_BETWEEN.sub("", folded))
            begin = min(self._exact.open_from(folded), at[loose] if loose < len(at) else len(folded))
            first = min(first, place((begin, begin))[0])
        return first

    def _may_stand_in(self, text: str) -> bool:
        """Whether it is worth while to look closer."""
        if not self._known:
            return False
        for _ in range(_DEEPEST + 1):
            folded = _folded(text)
            if self._exact.may_stand_in(folded) or self._loose.may_stand_in(_BETWEEN.sub("", folded)):
                return True
            plainer = _ESCAPE.sub(_meant, text)
            if plainer == text:
                return False
            text = plainer
        return False

    def _spans(self, text: str) -> list[Span]:
        return [place(span) for shown, place in _views(text) for span in self._in_one_view(shown)]

    def _in_one_view(self, text: str) -> list[Span]:
        folded = _folded(text)
        found = self._exact.spans(folded)
        if loose := self._loose.spans(_BETWEEN.sub("", folded)):
            at = [number for number, letter in enumerate(folded) if letter.isalnum()]
            found += [(at[begin], at[end - 1] + 1) for begin, end in loose]
        return found


@lru_cache(maxsize=4)
def search_for(secrets: frozenset[str]) -> SecretSearch:
    """The search for these secrets, which takes a while to make."""
    return SecretSearch(secrets)


def _exact_forms(secret: str) -> list[_Form]:
    """A secret as it is, and as it stands in JSON, an address, a page and a header."""
    encoded = secret.encode(errors="replace")
    escaped = [json.dumps(secret, ensure_ascii=ascii_alone)[1:-1] for ascii_alone in (False, True)]
    spelled = [*escaped, *(one.replace("/", "\\/") for one in escaped), quote(encoded, safe=""), quote(encoded)]
    spelled += [html.escape(secret), base64.b64encode(encoded).decode()]
    whole = set(map(_folded, spelled)) - {_folded(secret)}
    return [_Form(_folded(secret), _least(secret)), *(_Form(one, len(one)) for one in sorted(whole))]


def _loose_forms(secret: str) -> list[_Form]:
    """A secret without all but its letters and digits: as it is where it is no run of words, backwards, and encoded."""
    letters = _BETWEEN.sub("", secret)
    telling = [
        letter.isdigit() or (letter.isupper() and before.islower())
        for before, letter in zip(" " + letters, letters, strict=False)
    ]
    least = _least(secret)
    codes = "".join(map(str, secret.encode(errors="replace")))
    forms = [
        _Form(_folded(_BETWEEN.sub("", one)), least * len(one) // len(secret)) for one in [codes, *_encoded(secret)]
    ]
    if any(telling) or len(letters) >= _SURELY_NO_WORDS:
        plain = _folded(letters)
        turned = codecs.encode(plain, "rot13")
        forms += [_Form(one, least, telling) for one in (plain, turned)]
        forms += [_Form(plain[::-1], least, telling[::-1])]
    return forms


def _least(secret: str) -> int:
    """How long a piece of a secret gives it away; of a file's name or an address, whose pieces are others' too, all."""
    return len(secret) if _PLACE.match(secret) else _LONG_PIECE


def _encoded(secret: str) -> set[str]:
    """A secret in hexadecimal digits, base64 and base32; in the first two also twice, backwards and in wide letters."""
    forwards, backwards = secret.encode(errors="replace"), secret[::-1].encode(errors="replace")
    once = _in_digits(forwards)
    twice = [text for one in once for text in _in_digits(one.encode())]
    wide = _in_digits(secret.encode("utf-16-le", errors="replace"))
    return {
        *once,
        *twice,
        *wide,
        *_in_digits(backwards),
        *(one[::-1] for one in once),
        *_in_base(base64.b32encode, 5, forwards),
    }


def _in_digits(content: bytes) -> list[str]:
    """Bytes in hexadecimal digits and in base64."""
    return [content.hex(), *_in_base(base64.b64encode, 6, content)]


def _in_base(encode: Callable[[bytes], bytes], bits: int, content: bytes) -> list[str]:
    """What of some bytes, in letters of so many bits, does not depend on what stands around them, for each place that
    they may begin at; and the whole of them alone."""
    found = [encode(content).decode().rstrip("=")]
    for before in range(math.lcm(bits, 8) // 8):
        begin, end = -(-8 * before // bits), 8 * (before + len(content)) // bits
        found.append(encode(bytes(before) + content).decode()[begin:end])
    return list(dict.fromkeys(found))


def _folded(text: str) -> str:
    """Text of the same length in small letters, wide and ornate ones made plain."""
    return text.lower() if text.isascii() else "".join(map(_plain, text))


@lru_cache(maxsize=4096)
def _plain(letter: str) -> str:
    plain = unicodedata.normalize("NFKC", letter).lower()
    return plain if len(plain) == 1 else letter


def _views(text: str) -> Iterator[tuple[str, Callable[[Span], Span]]]:
    """A text as it is and with its escapes undone, each with where a span of it stands in the text."""
    shown = text
    place: Callable[[Span], Span] = lambda span: span  # noqa: E731
    yield shown, place
    for _ in range(_DEEPEST):
        if not _ESCAPE.search(shown):
            return
        shown, place = _unescaped(shown, place)
        yield shown, place


def _unescaped(text: str, place: Callable[[Span], Span]) -> tuple[str, Callable[[Span], Span]]:
    """The text with its escapes undone, and where a span of that stands in the text that ``place`` leads to."""
    letters: list[str] = []
    starts: list[int] = []
    last = 0
    for escape in _ESCAPE.finditer(text):
        letters.append(text[last : escape.start()])
        starts += range(last, escape.start())
        meant = _meant(escape)
        letters.append(meant)
        starts += [escape.start()] * len(meant)
        last = escape.end()
    letters.append(text[last:])
    starts += range(last, len(text) + 1)
    return "".join(letters), lambda span: place((starts[span[0]], starts[span[1]]))


def _meant(escape: re.Match[str]) -> str:
    wide, code, byte, octal, entity, itself = escape.groups()
    if entity:
        return html.unescape(entity)
    number = int(octal, 8) if octal else int(wide or code or byte or "20", 16)
    return itself or chr(min(number, 0x10FFFF))
