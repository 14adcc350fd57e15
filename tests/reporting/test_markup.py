"""Markup whose templates are parsed once is that of markupsafe, whatever is filled in."""

import pytest
from markupsafe import Markup as Plain

from simulator.reporting.markup import Markup


class Drawing:
    """Something that says how it looks."""

    def __html__(self):
        return "<svg>&amp;</svg>"


VALUES = ("plain", "<b>&'\"", Plain("<i>"), Markup("<u>"), Drawing(), 3, -0.0, 1e300, None, True, "{0}")


@pytest.mark.parametrize("template", ["{}", "<p>{}</p>{}", "{1}{0}{1}", "{{{}}}{{", "", "no place", "{0!s}{1}", "{0:}"])
def test_what_is_filled_in_is_escaped_as_markupsafe_does(template):
    for first in VALUES:
        for second in VALUES:
            filled, plain = (kind(template).format(first, second) for kind in (Markup, Plain))
            assert filled == plain
            assert type(filled) is Markup


def test_a_figure_is_written_as_it_is_asked_for():
    for template in ('{:.1f} y="{:g}"', "{1:.9g}{0:>6}", "{0:{1}}"):
        filled, plain = (kind(template).format(2.345, 6) for kind in (Markup, Plain))
        assert filled == plain
    assert Markup("{name}").format(name="<") == "&lt;"


@pytest.mark.parametrize(("template", "values"), [("{}{0}", ("a",)), ("{}{}", ("a",)), ("{:d}", (Markup("<i>"),))])
def test_what_markupsafe_refuses_is_refused(template, values):
    for kind in (Markup, Plain):
        with pytest.raises((ValueError, IndexError)):
            kind(template).format(*values)


def test_parts_are_joined_escaped():
    assert Markup("<br>").join(VALUES) == Plain("<br>").join(VALUES)
    assert type(Markup().join([])) is Markup
