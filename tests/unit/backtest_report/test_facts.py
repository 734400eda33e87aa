"""What the report says is what the ledger and the stored decisions say."""

import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

from mia_actors.backtest_report.distributions import Distribution
from mia_actors.backtest_report.excursions import Excursions, excursions
from mia_actors.backtest_report.page import usd, usd_unsigned
from mia_actors.core.calendar import new_york
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Outcome
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.exchange.expansion import expand
from mia_actors.features.tape_features import TapeFeatures
from tests.unit.backtest_report.eager import eager_tape, made, page_made


def _fills() -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(made()[0].result.ledger.text))
    return [row for row in rows if row["kind"] == "fill"]


def _results_by_ledger() -> list[Decimal]:
    """Net result of each round trip: how the realised profit moved between two times flat."""
    totals = [Decimal(row["realized_pnl_usd"]) for row in _fills() if row["net_position"] == "0"]
    return [after - before for before, after in zip([Decimal(0), *totals], totals, strict=False)]


def test_figures_of_the_page_are_those_of_the_ledger() -> None:
    results = _results_by_ledger()
    assert len(results) > 5
    assert min(results) < 0 < max(results)
    equity = [Decimal(0), *accumulate(results)]
    fall = max(high - low for high, low in zip(accumulate(equity, max), equity, strict=True))
    page = page_made()
    for name, value in (
        ("Net profit, USD", usd(sum(results))),
        ("Trades", str(len(results))),
        ("Won", f"{100 * sum(1 for result in results if result > 0) / len(results):.1f} %"),
        ("Largest drawdown, USD", usd_unsigned(fall)),
    ):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert made()[0].result.ledger.sha256 in page


def test_the_table_has_every_trade_of_the_ledger() -> None:
    page, fills = page_made(), _fills()
    table = page[page.index("<h2>Trades</h2>") : page.index("<h2>Where")]
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    rows = [cells[begin : begin + 14] for begin in range(0, len(cells), 14)]
    assert [row[4] for row in rows] == [usd(result) for result in _results_by_ledger()]
    for row, entry, leave in zip(rows, fills[::2], fills[1::2], strict=True):
        assert row[2] == {"BUY": "long", "SELL": "short"}[entry["side"]]
        assert Decimal(row[6].replace(",", "")) == Decimal(entry["fill_price"])
        assert Decimal(row[7].replace(",", "")) == Decimal(leave["fill_price"])
        purpose = leave["order_ref"].split(".")[3]
        assert row[11] == purpose or purpose == "exit"


def test_groups_of_every_distribution_add_up_to_the_ledger() -> None:
    facts, total = made()[0], sum(_results_by_ledger())
    assert len(facts.distributions) == 7
    for one in facts.distributions[1:]:
        assert sum(group.trades for group in one.groups) == len(facts.rows), one.title
        assert sum((group.net_usd for group in one.groups), Decimal(0)) == total, one.title
    hours = _named("Hour of entry")
    noon = [row for row in facts.rows if new_york(row.trade.opened_at_ns).hour == 12]
    assert next(group for group in hours.groups if group.name.startswith("12")).trades == len(noon)
    strategies = _named("Strategy")
    assert all(group.trades <= len(facts.rows) for group in strategies.groups)
    assert sum(group.trades for group in strategies.groups) >= len(facts.rows)


def _named(title: str) -> Distribution:
    return next(one for one in made()[0].distributions if one.title == title)


def test_regimes_are_those_the_decision_saw() -> None:
    """The ensemble's vector holds the volatility as an ordinal: the same regime by another way."""
    facts, decisions = made()
    features = TapeFeatures((*eager_tape().history, *eager_tape().bars)).by_timeframe[Timeframe.M5]
    entered = {decision.event_time_ns: decision for decision in decisions}
    for row in facts.rows:
        moment = row.trade.opened_at_ns - 5 * NS_PER_S
        assert entered[moment].outcome is Outcome.ENTERED
        place = next(i for i, bar in enumerate(eager_tape().bars) if bar.end_ns == moment) + len(
            eager_tape().history
        )
        seen = features.features_at(place)
        assert seen is not None
        assert (row.volatility, row.market) == (seen.volatility_regime, seen.market_regime)
        assert row.entry_detail == entered[moment].detail
        calls = {reading.strategy: reading.side for reading in entered[moment].readings}
        assert row.strategies
        assert row.strategies == tuple(name for name, side in calls.items() if side is row.trade.side)


def test_excursions_are_those_of_the_five_second_path() -> None:
    """Of trades as they were, and of the same ones opened and closed at any other time."""
    small = [one for bar in eager_tape().bars for one in expand(bar)]
    for number, row in enumerate(made()[0].rows):
        assert row.exit_reason != "stop" or row.excursions.adverse_ticks == -row.ticks
        assert row.excursions == _by_brute_force(row.trade, small)
        for open_after, held in ((0, 1), (7 + number, 5), (3 * number, 40 + number), (5, 12)):
            place = number * 50 + open_after
            moved = replace(
                row.trade, opened_at_ns=small[place].end_ns, closed_at_ns=small[place + held].end_ns
            )
            assert excursions(moved, eager_tape().bars) == _by_brute_force(moved, small)


def _by_brute_force(trade: ClosedTrade, small: list[Bar]) -> Excursions:
    inside = [one for one in small if trade.opened_at_ns <= one.end_ns < trade.closed_at_ns]
    prices = [Decimal(price) for one in inside for price in (one.high_ticks, one.low_ticks)]
    moves = [
        trade.side.sign * (price - trade.entry_price_ticks) for price in (*prices, trade.exit_price_ticks)
    ]
    return Excursions(adverse_ticks=max(Decimal(0), -min(moves)), favourable_ticks=max(Decimal(0), *moves))


def test_every_refused_signal_is_counted_and_the_examples_are_quotations() -> None:
    facts, decisions = made()
    counted = {one.reason: one.count for one in (*facts.refused, *facts.without_signal)}
    for reason, count in facts.result.counts.refused.items():
        both = [one for one in (*facts.refused, *facts.without_signal) if one.reason == reason]
        assert sum(one.count for one in both) == count
    assert set(counted) == set(facts.result.counts.refused)
    assert len(facts.refused) >= 3
    stored = {decision.detail for decision in decisions}
    page = page_made()
    for one in facts.refused:
        assert 1 <= len(one.examples) <= 3
        for decision in one.examples:
            assert decision.detail in stored
            assert _escaped(decision.detail) in page


def _escaped(text: str) -> str:
    for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        text = text.replace(plain, written)
    return text
