"""Own sources of context; in the experiment ``advisor: {context: [features, "examples/own_context.py:Streak"]}``.

A source is shown to the model beside the line of features. It sees closed bars alone, and says how many of them.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import Field

from llm_strategy import ContextSource, Shown, Snapshot


class Streak(ContextSource):
    """How many closes in a row went the same way; ``most`` is as far as it counts."""

    def __init__(self, most: Annotated[int, Field(ge=1, le=250)] = 10) -> None:
        self.most = most

    @property
    def lookback(self) -> int:
        """One close more than there are changes."""
        return self.most + 1

    def show(self, snapshot: Snapshot) -> Shown:
        """The streak in words."""
        closes = snapshot.window.close
        steps = [later > earlier for earlier, later in pairwise(closes)]
        count = next((n for n, step in enumerate(reversed(steps)) if step != steps[-1]), len(steps))
        return Shown("Streak", f"{count} closes in a row {'rose' if steps[-1] else 'did not rise'}.")


def busy(snapshot: Snapshot) -> str:
    """A plain function is a source, too; its attribute ``lookback`` says how many bars its window holds."""
    volumes = snapshot.window.volume
    return "The last bar was the busiest of five." if volumes[-1] == max(volumes) else ""


busy.lookback = 5
