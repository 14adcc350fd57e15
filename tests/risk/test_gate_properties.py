"""For arbitrary answers of a model, arbitrary prices and any legal limits, rules and costs: the promises hold.

A few hundred examples in an ordinary run, always the same; ``make fuzz`` draws many thousand new ones.
"""

import math
from dataclasses import replace

import pytest
from entry_checks import ROUNDING
from fuzzing import counted, examples
from gate_checks import CHECKS
from hypothesis import assume, given
from hypothesis import strategies as st
from wild_gate import TIGHTER, accounts, advice, any_advice, entries, markets, tightened, wished
from wild_limits import legal_costs, legal_limits
from wild_markets import cases
from witness import comparable, play_by_hand, play_case, rounded

from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Intent, judge
from llm_strategy.trading.orders import OrderRules

pytestmark = pytest.mark.slow

ENTRIES = (Intent.ENTER_LONG, Intent.ENTER_SHORT)


@examples(60, 3500)
@given(cases())
@counted
def test_every_promise_holds_in_every_run(case):
    played = play_case(case)
    for check in CHECKS:
        check(played)


@examples(15, 500)
@given(
    cases(
        rules=st.just(OrderRules(fill="same_close")),
        costs=legal_costs().map(lambda costs: replace(costs, max_fill_share=None)),
    )
)
@counted
def test_every_promise_but_the_time_of_the_fill_holds_with_fills_at_the_same_close(case):
    played = play_case(case)
    for check in CHECKS:
        check(played)


@examples(15, 500)
@given(cases(), st.booleans(), st.booleans())
@counted
def test_a_run_is_the_same_again_whatever_the_order_of_feeds_and_the_mode_of_the_engine(case, runonce, preload):
    once = comparable(play_case(case).journal)
    assert comparable(play_case(case, universe=case.universe(order=-1)).journal) == once
    by_hand = comparable(play_by_hand(case, order=-1, runonce=runonce, preload=preload))
    assert rounded(by_hand) == rounded(once)  # backtrader adds values up in the order of the feeds


@examples(15, 800)
@given(cases(), st.data())
@counted
def test_nothing_depends_on_bars_that_are_yet_to_come(case, data):
    bar = data.draw(st.integers(1, case.active - 1))
    last = case.last_time_before(bar)
    other_future = case.universe(rewritten_from=bar)
    past, again = (comparable_past(play_case(case, universe=one).journal, last) for one in (None, other_future))
    assert past == again


def comparable_past(journal, last):
    """Decisions, account and orders sent up to a close."""
    decided = [entry for entry in journal.entries if entry.decision.snapshot.time <= last]
    sent = [row for row in journal.orders if row.created <= last]
    return (
        [(str(entry.decision), str(entry.verdict)) for entry in decided],
        [row for row in journal.equity if row.time <= last],
        [(row.symbol, row.created, row.kind, row.side, row.size, row.price) for row in sent],
    )


@examples(200, 4000)
@given(any_advice, markets(), accounts(), legal_limits())
@counted
def test_the_gate_never_raises_and_never_lets_a_limit_be_breached(said, market, account, limits):
    verdict = judge(said, market, account, limits)
    assert verdict == judge(said, market, account, limits)
    assert all(math.isfinite(cut.before) and math.isfinite(cut.after) for cut in verdict.clamps)
    if verdict.intent is Intent.TIGHTEN:
        side = math.copysign(1, account.position)
        assert side * verdict.stop_price > side * account.stop_price
        assert side * (market.price - verdict.stop_price) > 0
    if verdict.intent not in ENTRIES:
        assert verdict.size == 0
        return
    side = 1 if verdict.intent is Intent.ENTER_LONG else -1
    worst = market.price * (1 + limits.gap_buffer) * (1 + market.costs.slippage(verdict.size, market.price))
    value, equity = verdict.size * worst, account.equity
    book = [other.value for other in account.others]
    assert 0 < value <= limits.max_position_size * equity * ROUNDING
    assert sum(map(abs, book)) + value <= limits.max_gross_exposure * equity * ROUNDING + 1e-6
    if limits.max_net_exposure is not None:
        assert side * sum(book) + value <= limits.max_net_exposure * equity * ROUNDING + 1e-6
    fees = market.costs.commission(verdict.size, market.price * (1 + limits.gap_buffer))
    assert value + fees <= (account.cash + account.credit) * ROUNDING
    assert 0 < verdict.stop_pct <= limits.max_stop_pct
    assert value / (1 + limits.gap_buffer) * (verdict.stop_pct + limits.gap_buffer) <= (
        limits.max_risk_per_trade * equity * ROUNDING
    )
    if market.volume is not None:
        assert verdict.size <= limits.max_participation * market.volume * ROUNDING
    assert not any((account.killed, account.position, account.entering, account.losing_streak))
    assert account.drawdown < limits.max_drawdown
    assert limits.allow_short or side > 0
    assert said.action.confidence >= limits.min_confidence
    asked = said.action.constraints.max_position_size
    assert asked is None or value <= asked * equity * ROUNDING


@examples(200, 4000)
@given(entries, markets(), accounts(free=True), tightened())
@counted
def test_a_tighter_limit_never_gives_a_larger_size(said, market, account, case):
    name, limits, value = case
    try:
        other = replace(limits, **{name: value})
    except ConfigurationError:
        assume(False)
    if name == "max_positions":  # equal weights are shares of fewer positions then, and so larger
        assume(limits.sizing != "equal_weight")
    loose, tight = sorted((limits, other), key=lambda one: tightness(name, getattr(one, name)))
    larger, smaller = (judge(said, market, account, one).size for one in (loose, tight))
    assert smaller <= larger * ROUNDING


def tightness(name, value):
    """The higher, the tighter; off is loosest."""
    return -math.inf if value is None else TIGHTER[name] * value


@examples(200, 4000)
@given(entries, wished, markets(), accounts(free=True), legal_limits())
@counted
def test_what_a_model_asks_for_makes_a_position_and_its_loss_smaller_only(said, wanted, market, account, limits):
    limits = replace(limits, min_reward_to_risk=0.0)  # a closer stop may well meet a ratio that the usual one does not
    plain = judge(said, market, account, limits)
    asked = judge(advice(said.action.type, wanted=wanted), market, account, limits)
    assert asked.size <= plain.size * ROUNDING
    if asked.intent in ENTRIES:
        lot = limits.lot_step * market.price * plain.stop_pct
        assert asked.size * market.price * asked.stop_pct <= plain.size * market.price * plain.stop_pct + lot
