"""What is shown beside the market's line, put into the message that asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_strategy.llm.requests import Request
from llm_strategy.market.context.features import FEATURES
from llm_strategy.types import Shown


def with_context(request: Request, context: Sequence[Shown]) -> Request:
    """The request whose last message shows these blocks before and behind its last paragraph, the market's line, an
    empty line between them; without that line where no block marks its place."""
    if not context:
        return request
    *earlier, asked = request.messages
    before, _, market = asked.content.rpartition("\n\n")
    blocks = [market if shown.source == FEATURES else shown.text for shown in context]
    content = "\n\n".join([*([before] if before else []), *blocks])
    return replace(request, messages=(*earlier, replace(asked, content=content)))
