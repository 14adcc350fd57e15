"""A model on loopback that sees: it decodes the PNG of a request and answers from its pixels alone."""

import base64
import io
import json

import numpy as np
from misbehaving_server import answer, by_turns
from PIL import Image

GREEN, RED, BLUE = (0, 150, 70), (215, 40, 40), (20, 90, 220)
LEGEND = 18
"""Rows of pixels above the chart."""


def pngs_in(body):
    """The PNGs of a request, in their order."""
    contents = [message["content"] for message in body["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    head = "data:image/png;base64,"
    assert all(url.startswith(head) for url in urls)
    return [base64.b64decode(url.removeprefix(head), validate=True) for url in urls]


def images_in(body):
    """The same decoded."""
    return [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs_in(body)]


def rows_by_column(picture, colour, below=0):
    """The rows of pixels of a colour, by column, in those columns that have some."""
    hit = (np.asarray(picture)[below:] == colour).all(axis=2)
    return {int(x): below + np.flatnonzero(hit[:, x]) for x in np.flatnonzero(hit.any(axis=0))}


def last_candle_rose(picture):
    """Whether the candle at the right is green."""
    up, down = rows_by_column(picture, GREEN), rows_by_column(picture, RED)
    assert max(up, default=-1) != max(down, default=-1)
    return max(up, default=-1) > max(down, default=-1)


def average_rose(picture):
    """Whether the blue average is higher at the right than at the left."""
    rows = rows_by_column(picture, BLUE, below=LEGEND)
    assert rows, "there is a blue line under the legend"
    return rows[max(rows)].mean() < rows[min(rows)].mean()


def advice_of(picture):
    """Long where the last candle rose, out where it fell; the label says whether the average rose."""
    action = "enter_long" if last_candle_rose(picture) else "exit"
    label = "bull" if average_rose(picture) else "bear"
    return {"rationale": "Seen.", "regime": {"label": label}, "action": {"type": action, "confidence": 0.7}}


def see(turn, body):
    """The answer to a request with one image; without one, or to a question of another kind, a plain one."""
    pictures = images_in(body)
    if not pictures:
        return answer()
    (picture,) = pictures
    return answer(json.dumps(advice_of(picture)))


seeing = by_turns(see)
