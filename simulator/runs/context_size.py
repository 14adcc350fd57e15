"""How long what the sources of context show is, before anything is asked; and whether it fits the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import PromptTooLong
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.token_count import rough_tokens
from llm_strategy.llm.requests import Message, Request
from llm_strategy.market.context.features import FEATURES
from llm_strategy.shown import Shown
from simulator.runs.questions import decisions
from simulator.runs.simulation import Upcoming

LOOKED_AT = 64
"""Decisions whose texts are looked at, evenly spread over those of a run: sources may take a while for each."""
_TOLERANCE = 1.02
"""Counts are within 2% of what engines count: what may fit is left to the model."""


@dataclass(frozen=True, slots=True)
class SourceTokens:
    """Tokens of what one source shows at a decision: in the mean, and the most."""

    source: str
    mean: float
    most: int

    def as_text(self) -> str:
        """One line."""
        if not self.most:
            return f"context {self.source}: shows nothing at any decision that was looked at"
        return f"context {self.source}: about {self.mean:,.0f} tokens a decision, at most {self.most:,}"


def source_tokens(advisor: ModelAdvisor, seen: Upcoming) -> tuple[SourceTokens, ...]:
    """The tokens of each source over some of the decisions to come, those at which it shows nothing among them."""
    shown = [{each.source: each for each in blocks} for _, blocks in _decisions(advisor, seen)]
    names = [name for name in advisor.context.names if name != FEATURES]
    counts = {
        name: [_tokens(advisor.client, blocks[name].text) if name in blocks else 0 for blocks in shown]
        for name in names
    }
    return tuple(SourceTokens(name, fmean(count), max(count)) for name, count in counts.items())


def require_room(advisor: ModelAdvisor, seen: Upcoming) -> None:
    """Raise ``PromptTooLong``, which names the longest source, where the longest of some of the prompts to come does
    not fit the model's context; nothing where neither is known."""
    room = dict(advisor.client.identity.settings).get("context_tokens")
    asked = list(_decisions(advisor, seen)) if room and advisor.context.shows_more else []
    if not asked:
        return
    request, blocks = max(asked, key=lambda each: sum(len(message.content) for message in each[0].messages))
    count = advisor.client.prompt_tokens(request)
    if count is None or count <= _TOLERANCE * float(room or 0) or not blocks:
        return
    sizes = {shown.source: _tokens(advisor.client, shown.text) for shown in blocks}
    longest = max(sizes, key=sizes.__getitem__)
    raise PromptTooLong(
        f"A prompt of this run has about {count:,} tokens and the model's context {room:,}: the longest that it shows "
        f"is {longest} of advisor.context with {sizes[longest]:,}, so let it show less, or raise LLM_CONTEXT_TOKENS as "
        "far as the model allows."
    )


def _decisions(advisor: ModelAdvisor, seen: Upcoming) -> Iterator[tuple[Request, Sequence[Shown]]]:
    """The request of some of the decisions, and what it shows beside the market's line."""
    scout = advisor.begin()
    step = max(1, len(seen.decisions) // LOOKED_AT)
    for number, snapshot in enumerate(decisions(scout, seen)):
        if number % step == 0:
            yield scout.longest_request(snapshot), [shown for shown in scout.context.show(snapshot) if shown.text]


def _tokens(client: LLMClient, text: str) -> int:
    """Tokens of a text alone."""
    counts = [client.prompt_tokens(Request((Message("user", each),))) for each in (text, "")]
    whole, frame = counts
    return round(rough_tokens(text)) if whole is None or frame is None else whole - frame
