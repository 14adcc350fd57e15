"""A grammar of llama.cpp for a JSON object of no given schema that comes to an end.

llama.cpp's own grammar of an object has no bounds, and a small model opens one object in another until its tokens are
used up.
"""

from __future__ import annotations

from functools import cache

_MEMBERS, _ITEMS = 8, 4
_SHORTEST, _LONGEST = 8, 120


@cache
def json_object(max_tokens: int) -> str:
    """An object of at most eight members; objects in it have no more than four, lists as many items, and neither holds
    further objects. The fewer tokens there are, the shorter is a text; an answer can still be longer than that."""
    characters = max(_SHORTEST, min(_LONGEST, max_tokens // 8))
    return rf"""
root ::= "{{" gap (member (gap "," gap member){{0,{_MEMBERS - 1}}})? gap "}}"
member ::= text ":" gap (scalar | object | list)
object ::= "{{" gap (pair (gap "," gap pair){{0,{_ITEMS - 1}}})? gap "}}"
pair ::= text ":" gap (scalar | list)
list ::= "[" gap (scalar (gap "," gap scalar){{0,{_ITEMS - 1}}})? gap "]"
scalar ::= text | number | "true" | "false" | "null"
text ::= "\"" character{{0,{characters}}} "\""
character ::= [^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{{4}})
number ::= "-"? ("0" | [1-9] [0-9]{{0,11}}) ("." [0-9]{{1,8}})?
gap ::= "" | " " | "\n" [ ]{{0,8}}
"""
