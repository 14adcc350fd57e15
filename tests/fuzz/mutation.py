"""Hostile variants of honest input: bytes turned, tokens replaced by what readers choke on, parts doubled and cut."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from copy import deepcopy

_TEXTS = (
    "", " ", "\n", "\r", "\t", "\0", "\x1b[2J", "\x9b2J", "\u202e", "\u200b", "\ufeff", "\u2028", "\ud800", "\\ud800",
    "\\u0000", "\\x00", "0", "-0", "-1", "0x1f", "1_000", "1e308", "1e309", "-1e999", "1e-320", "5e-324", "NaN",
    "nan", "Infinity", "-inf", "9" * 400, "1" + "0" * 5000, "0." + "3" * 900, "18446744073709551616", "2147483648",
    "\u0663", "1,5", "50%", "true", "null", "~", "[]", "{}", '""', "'", '"', "`", "[" * 200, "[" * 20_000,
    '{"a":' * 300, "}" * 50, "]]]", "a" * 3000, "\xe9" * 700, "\n" * 3000, ", " * 2000, "```json\n", "```", "<think>",
    "</think>", "<|im_start|>", "<|channel|>final<|message|>", "{{ 1 }}", "{% for a in range(9) %}", "${HOME}",
    "${NOT_SET}", "%s%n", "../../x", "/dev/zero", "C:\\x", "=cmd|' /C calc'!A0", "<script>", "]]>", "&a ", "*a",
    "<<: *a", "!!int ''", "!!binary x", "!!python/object:os.system x", "? ", "- - - ", "# ", "---\n", "2000-13-45",
    "1900-01-01", "9999-12-31", "2262-04-12", "-0001-01-01", "20081010", "1223596800000", "data: ",
    "data: [DONE]\n\n", "event: error\n",
)  # fmt: skip
NASTY = (b"\xff\xfe", b"\xed\xa0\x80", *(text.encode("utf-8", "surrogatepass") for text in _TEXTS))
"""Each of these has broken some program's reader: numbers out of all bounds, half characters, what a terminal, a
template, a shell, a sheet or another format takes for its own."""

_TOKEN = re.compile(rb"[A-Za-z_]+|[0-9][0-9.eE+-]*|\s+|[^\w\s]|[\x80-\xff]+|[\x00-\x08]+")
_VALUES = (
    None, True, False, 0, -1, 1, 0.5, 1e-320, 1e308, -1e308, 10**400, 2**63, float("nan"), float("inf"), "", "x", "0.5",
    "NaN", "\0", "\x1b]0;x\x07", "\ud800", "../x", "a" * 3000, "\n", [], {}, [None], {"": None}, [[[[[[]]]]]],
    "2008-10-10", "llm", "=1+1",
)  # fmt: skip
WHOLE = (
    *(b"", b"\n", b"\0", b"null", b"[]", b"{}", b'""', b"0", b"NaN", b"9" * 5000, b"\xff\xfe\x00", b"\xef\xbb\xbf"),
    *(b"[" * 20_000, b'{"a":' * 3000, b"- " * 1500, b"(" * 1500, b"\n" * 5000, b"a" * 20_000),
)
"""Inputs that have nothing of an honest one."""
MOST = 200_000
"""Bytes of an input."""


def mutated(dice, seed, seeds):
    """One input out of an honest one: as it is once in a while, else changed in one to six places."""
    data = dice.choice(WHOLE) if dice.random() < 0.01 else seed
    if dice.random() < 0.4 and (changed := _document_changed(dice, data)) is not None:
        data = changed
        if dice.random() < 0.6:
            return data[:MOST]
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 6))):
        data = dice.choice(_WAYS)(dice, data, seeds)
    return data[:MOST]


def _turned(dice, data, seeds):
    found = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        if found:
            found[dice.randrange(len(found))] = dice.choice((0, 10, 34, 127, 128, 255, dice.randrange(256)))
    return bytes(found)


def _bit_turned(dice, data, seeds):
    found = bytearray(data)
    if found:
        found[dice.randrange(len(found))] ^= 1 << dice.randrange(8)
    return bytes(found)


def _cut(dice, data, seeds):
    begin, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
    return dice.choice((data[:begin], data[end:], data[:begin] + data[end:]))


def _doubled(dice, data, seeds):
    begin = dice.randrange(len(data) + 1)
    part = data[begin : begin + dice.choice((1, 5, 40, 400))]
    return data[:begin] + part * dice.choice((2, 2, 3, 50)) + data[begin + len(part) :]


def _inserted(dice, data, seeds):
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(NASTY) + data[at:]


def _token_changed(dice, data, seeds):
    tokens = list(_TOKEN.finditer(data))
    if not tokens:
        return dice.choice(NASTY)
    one, other = dice.choice(tokens), dice.choice(tokens)
    put = dice.choice((dice.choice(NASTY), dice.choice(NASTY), other[0], b"", one[0] * 2))
    return data[: one.start()] + put + data[one.end() :]


def _line_moved(dice, data, seeds):
    lines = data.split(b"\n")
    taken = lines.pop(dice.randrange(len(lines)))
    for _ in range(dice.choice((0, 1, 1, 2))):
        lines.insert(dice.randrange(len(lines) + 1), taken)
    return b"\n".join(lines)


def _spliced(dice, data, seeds):
    other = dice.choice(seeds)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


_WAYS = (
    *(_turned, _bit_turned, _cut, _doubled, _inserted, _line_moved, _spliced),
    *[_token_changed] * 3,
)


def _document_changed(dice, data):
    """JSON (or one line of JSON Lines) with one to three values changed; None where a text is none."""
    lines = data.split(b"\n")
    at = dice.randrange(len(lines)) if data.count(b"\n{") else None
    try:
        document = json.loads(data if at is None else lines[at])
    except (ValueError, RecursionError):
        return None
    for _ in range(dice.choice((1, 1, 2, 3))):
        document = changed_document(dice, document)
    text = json.dumps(document, indent=dice.choice((None, 1)), ensure_ascii=dice.random() < 0.7)
    written = text.encode("utf-8", "surrogatepass")
    return written if at is None else b"\n".join((*lines[:at], written, *lines[at + 1 :]))


def changed_document(dice, document):
    """Plain data with one value, key or entry changed."""
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    if not isinstance(document, dict | list) or not document or dice.random() < 0.01:
        return deepcopy(dice.choice(_VALUES))
    walk(document)
    node, key = dice.choice(places)
    way = dice.randrange(6)
    if way < 3:
        node[key] = deepcopy(dice.choice(_VALUES))
    elif way == 3:
        del node[key]
    elif way == 4:
        other_node, other_key = dice.choice(places)
        with suppress(LookupError):  # it was taken out
            node[key] = deepcopy(other_node[other_key])
    elif isinstance(node, dict):
        node[dice.choice(("x", "", key + " ", key.upper(), "\x1b", "__class__"))] = deepcopy(node[key])
    else:
        node.extend(node[:1] * dice.choice((1, 1, 30)))
    return document
