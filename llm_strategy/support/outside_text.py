"""Text that comes from outside (a symbol, a column's name) is data: one visible line, short, and marked as a quotation
where a model reads it."""

from __future__ import annotations

import re
import unicodedata

LONGEST_SYMBOL = 40
"""Characters; the contract allows no more, and a longer name is cut where a feed or a file brings it."""
_NOT_PLAIN = re.compile("[^\n\t -~]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories without a visible sign: controls, zero-width, direction and tag characters, halves of pairs, private and
unassigned ones."""
_LINE_BREAKS = "\u2028\u2029"
_EMOJI = range(0x1F000, 0x1FC00)
"""Unassigned places here are new emoji, which this version of Python does not know yet."""
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that show nothing."""
_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
"""Variation selectors: they can carry bytes that nobody sees."""


def visible_line(text: str, longest: int) -> str:
    """The text in NFKC on one line of at most ``longest`` characters, without any that cannot be seen."""
    if text.isascii() and text.isprintable():  # nothing to fold, and nothing hidden
        return " ".join(text.split())[:longest].rstrip()
    shown = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFKC", text)
        if character.isspace() or not _is_hidden(character)
    )
    return " ".join(unicodedata.normalize("NFKC", shown).split())[:longest].rstrip()


def encodable(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which no encoding holds."""
    return _HALF_PAIR.sub("\ufffd", text)


def symbol_name(text: str) -> str:
    """A symbol for records, reports and prompts; ``unnamed`` where nothing of it can be seen."""
    return visible_line(text, LONGEST_SYMBOL) or "unnamed"


def spelled_out(text: str) -> str:
    """The text with every character that a terminal or a page would obey or hide written as its number, such as
    ``\\x1b`` or ``\\u202e``; line feeds and tabs stay."""
    return _NOT_PLAIN.sub(lambda found: _number(found[0]) if _is_unseen(found[0]) else found[0], text)


def hanging(text: str) -> str:
    """The text with every line but the first indented: nothing in it passes for a line that the program begins."""
    return text.replace("\n", "\n  ")


def spelled_out_json(text: str) -> str:
    """JSON text with the same characters as JSON escapes, so that it is read as before."""
    return _NOT_PLAIN.sub(lambda found: _json_escape(found[0]) if _is_unseen(found[0]) else found[0], text)


def _number(sign: str) -> str:
    point = ord(sign)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _json_escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def quoted(text: str) -> str:
    """The text as a quotation within a line of ``name: value;`` pairs: it can neither end the quotation nor begin
    another pair."""
    return '"' + text.replace('"', "'").replace(";", ",") + '"'


_BRACKETS = str.maketrans("<>[]{}`", "()()()'")
"""Every special token of a chat template stands in one of these, and so do the marks of our own frames."""
_SPEAKER = re.compile(
    r"\b(system|developer|user|human|assistant|model|ai|tool|function|instructions?|response|answer|market|regime|action)"
    r"(\W{0,3})[:=\uff1a]",
    re.IGNORECASE,
)
_RULE = re.compile(r"([#=*_~|-])\1{2,}")


def as_quotation(text: str) -> str:
    """What somebody wrote as one visible line that opens nothing in a prompt: no bracket of a special token or of a
    frame, no name of a speaker with a colon (``assistant:``), no rule of signs that parts a prompt (``###``)."""
    line = visible_line(text, len(text) * 18).translate(_BRACKETS)  # NFKC makes at most 18 signs of one
    return _RULE.sub(r"\1", _SPEAKER.sub(r"\1\2 -", line))


def _is_unseen(character: str) -> bool:
    return (_is_hidden(character) and not _is_new_emoji(character)) or character in _LINE_BREAKS


def _is_new_emoji(character: str) -> bool:
    return ord(character) in _EMOJI and unicodedata.category(character) == "Cn"


def _is_hidden(character: str) -> bool:
    point = ord(character)
    return (
        unicodedata.category(character) in _HIDDEN
        or character in _BLANK
        or any(first <= point <= last for first, last in _SELECTORS)
    )
