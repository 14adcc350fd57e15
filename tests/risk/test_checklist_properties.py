"""For arbitrary answers, accounts and firings a checklist only ever makes an entry smaller, and its parser comes to a
checklist or to one sentence."""

from dataclasses import replace

import pytest
from fuzzing import counted, examples
from hypothesis import assume, given
from hypothesis import strategies as st
from wild_gate import accounts, any_advice, entries, markets
from wild_limits import legal_limits

from llm_strategy import read_checklist
from llm_strategy.errors import BacktraderLLMError, ConfigurationError
from llm_strategy.risk import Intent, judge
from llm_strategy.risk.checklist import EFFECTS, Checklist, Firing, Item
from llm_strategy.risk.checklist.tighter import TIGHTER

pytestmark = pytest.mark.slow

ENTRIES = (Intent.ENTER_LONG, Intent.ENTER_SHORT)
firings = st.lists(
    st.builds(Firing, st.sampled_from(["one", "two", "three"]), st.sampled_from(EFFECTS), st.just("seen")), max_size=5
)


@examples(120, 4000)
@given(any_advice, markets(), accounts(), legal_limits(), firings)
@counted
def test_a_checklist_never_makes_a_position_larger_and_holds_back_nothing_but_entries(
    said, market, account, limits, fired
):
    without, within = (judge(said, market, account, limits, some) for some in ((), fired))
    assert within.size <= without.size
    if without.intent not in ENTRIES:
        assert within == without
        return
    assert within.intent in (without.intent, Intent.NONE)
    if within.intent in ENTRIES:
        assert (within.stop_pct, within.target_pct) == (without.stop_pct, without.target_pct)
        assert within.size > 0
        assert not any(firing.do == "block" for firing in fired)
    assert within.clamps[: len(without.clamps)] == without.clamps


@examples(60, 4000)
@given(entries, markets(), accounts(free=True), legal_limits(), firings)
@counted
def test_each_firing_of_an_entry_that_limits_allow_leaves_a_cut_of_its_item(said, market, account, limits, fired):
    without = judge(said, market, account, limits)
    within = judge(said, market, account, limits, fired)
    if not without.size:
        assert within == without
        return
    cuts = [cut for cut in within.clamps if cut.limit.startswith("checklist.")]
    assert sorted(cut.limit for cut in cuts) == sorted(firing.limit for firing in fired)
    left = without.size
    for cut in cuts:
        assert cut.before == left
        left = cut.after
    halves = sum(firing.do == "halve" for firing in fired)
    assert left <= without.size / 2**halves * (1 + 1e-9)
    assert within.size in (left, 0.0)


@examples(80, 4000)
@given(entries, markets(), accounts(free=True), legal_limits(), legal_limits(), st.sampled_from(sorted(TIGHTER)))
@counted
def test_a_limit_that_a_checklist_tightens_never_gives_a_larger_size(said, market, account, limits, other, name):
    value = getattr(other, name)
    assume(value is not None)
    checklist = Checklist((Item("brake", "flag", ask="Is it?"),), ((name, value),))
    try:
        tight = replace(limits, checklist=checklist)
    except ConfigurationError:
        assume(False)
    assert judge(said, market, account, tight).size <= judge(said, market, account, limits).size * (1 + 1e-9)


keys = st.sampled_from(
    ["items", "limits", "when", "do", "preset", "ask", "at", "most", "events", "stale_data", "a", ""]
)
words = st.sampled_from(["block", "halve", "drawdown_brake", "event_blackout", "market.trend < 0", "Is it?", "friday"])
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


@examples(150, 4000)
@given(plain | st.lists(st.dictionaries(keys, st.dictionaries(keys, plain, max_size=3), max_size=1), max_size=3))
@counted
def test_any_document_is_a_checklist_that_reads_back_or_one_sentence(document):
    assume(not isinstance(document, str))  # the name of a file
    said, read = "", None
    try:
        read = read_checklist(document)
    except BacktraderLLMError as problem:
        said = str(problem)
    assert (read is None) == said.endswith((".", "?"))
    assert "\n" not in said
    assert read is None or read_checklist(read.as_dict()) == read
