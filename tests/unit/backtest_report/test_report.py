"""What the report says is what the ledger and the stored decisions say, and it is one file that asks for nothing."""

import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import accumulate

import pytest

from mia_actors.backtest_report.distributions import Distribution
from mia_actors.backtest_report.excursions import Excursions, excursions
from mia_actors.backtest_report.facts import BacktestFacts, Circumstances, backtest_facts, settings_of
from mia_actors.backtest_report.page import backtest_page, usd, usd_unsigned
from mia_actors.core.calendar import new_york
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Decision, Outcome
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.cycle.backtest import Backtest
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.cycle.situations import new_york_ns, vote

EAGER = DecisionSettings(
    strategies_agree_min=1, confluence_min=0.5, confluence_coverage_min=0.0, confidence_min=0.5
)
GUARDIAN = GuardianSettings(daily_loss_limit_usd=Decimal(500), consecutive_losses_max=50)
MADE = Circumstances(
    settings=(*settings_of("cycle", EAGER), *settings_of("guardian", GUARDIAN)),
    model_version="es-5m-test",
    software_version="0",
    costs=Costs(),
    account=AccountTerms(),
    ledger_file="ledger.csv",
    notes=("a note beside the figures",),
    command="mia backtest --tape <b>bars</b>",
)


@cache
def _tape() -> Tape:
    return load_tape(
        TapeSelection(
            source="synthetic:19",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-11T17:00"),
            history_days=2,
        )
    )


def _approve(vector: EnsembleVector, _: int) -> EnsembleVote:
    return vote(approved=hash(vector.values) % 4 != 0)


@cache
def _made(stop_ticks_max: int = EAGER.stop_ticks_max) -> tuple[BacktestFacts, tuple[Decision, ...]]:
    tape, decision = _tape(), EAGER.model_copy(update={"stop_ticks_max": stop_ticks_max})
    running = Backtest(tape, decision=decision, guardian=GUARDIAN, voter=_approve, every_decision=True)
    found = running.run()
    facts = backtest_facts(
        tape,
        found,
        running.decisions(),
        entry_timeframe=decision.entry_timeframe,
        circumstances=MADE,
        seconds=1.5,
    )
    return facts, running.decisions()


@cache
def _page() -> str:
    return backtest_page(_made()[0])


def _fills() -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(_made()[0].result.ledger.text))
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
    page = _page()
    for name, value in (
        ("Net profit, USD", usd(sum(results))),
        ("Trades", str(len(results))),
        ("Won", f"{100 * sum(1 for result in results if result > 0) / len(results):.1f} %"),
        ("Largest drawdown, USD", usd_unsigned(fall)),
    ):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert _made()[0].result.ledger.sha256 in page


def test_the_table_has_every_trade_of_the_ledger() -> None:
    page, fills = _page(), _fills()
    table = page[page.index("<h2>Trades</h2>") : page.index("<h2>Where")]
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    rows = [cells[begin : begin + 14] for begin in range(0, len(cells), 14)]
    assert [row[5] for row in rows] == [usd(result) for result in _results_by_ledger()]
    for row, entry, leave in zip(rows, fills[::2], fills[1::2], strict=True):
        assert row[2] == {"BUY": "long", "SELL": "short"}[entry["side"]]
        assert Decimal(row[7].replace(",", "")) == Decimal(entry["fill_price"])
        assert Decimal(row[8].replace(",", "")) == Decimal(leave["fill_price"])
        purpose = leave["order_ref"].split(".")[3]
        assert row[11] == purpose or purpose == "exit"


def test_groups_of_every_distribution_add_up_to_the_ledger() -> None:
    facts, total = _made()[0], sum(_results_by_ledger())
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
    return next(one for one in _made()[0].distributions if one.title == title)


def test_regimes_are_those_the_decision_saw() -> None:
    """The ensemble's vector holds the volatility as an ordinal: the same regime by another way."""
    facts, decisions = _made()
    features = TapeFeatures((*_tape().history, *_tape().bars)).by_timeframe[Timeframe.M5]
    entered = {decision.event_time_ns: decision for decision in decisions}
    for row in facts.rows:
        moment = row.trade.opened_at_ns - 5 * NS_PER_S
        assert entered[moment].outcome is Outcome.ENTERED
        place = next(i for i, bar in enumerate(_tape().bars) if bar.end_ns == moment) + len(_tape().history)
        seen = features.features_at(place)
        assert seen is not None
        assert (row.volatility, row.market) == (seen.volatility_regime, seen.market_regime)
        assert row.entry_detail == entered[moment].detail
        calls = {reading.strategy: reading.side for reading in entered[moment].readings}
        assert row.strategies
        assert row.strategies == tuple(name for name, side in calls.items() if side is row.trade.side)


def test_excursions_are_those_of_the_five_second_path() -> None:
    """Of trades as they were, and of the same ones opened and closed at any other time."""
    small = [one for bar in _tape().bars for one in expand(bar)]
    for number, row in enumerate(_made()[0].rows):
        assert row.exit_reason != "stop" or row.excursions.adverse_ticks == -row.ticks
        assert row.excursions == _by_brute_force(row.trade, small)
        for open_after, held in ((0, 1), (7 + number, 5), (3 * number, 40 + number), (5, 12)):
            place = number * 50 + open_after
            moved = replace(
                row.trade, opened_at_ns=small[place].end_ns, closed_at_ns=small[place + held].end_ns
            )
            assert excursions(moved, _tape().bars) == _by_brute_force(moved, small)


def _by_brute_force(trade: ClosedTrade, small: list[Bar]) -> Excursions:
    inside = [one for one in small if trade.opened_at_ns <= one.end_ns < trade.closed_at_ns]
    prices = [Decimal(price) for one in inside for price in (one.high_ticks, one.low_ticks)]
    moves = [
        trade.side.sign * (price - trade.entry_price_ticks) for price in (*prices, trade.exit_price_ticks)
    ]
    return Excursions(adverse_ticks=max(Decimal(0), -min(moves)), favourable_ticks=max(Decimal(0), *moves))


def test_every_refused_signal_is_counted_and_the_examples_are_quotations() -> None:
    facts, decisions = _made()
    counted = {one.reason: one.count for one in (*facts.refused, *facts.without_signal)}
    for reason, count in facts.result.counts.refused.items():
        both = [one for one in (*facts.refused, *facts.without_signal) if one.reason == reason]
        assert sum(one.count for one in both) == count
    assert set(counted) == set(facts.result.counts.refused)
    assert len(facts.refused) >= 3
    stored = {decision.detail for decision in decisions}
    page = _page()
    for one in facts.refused:
        assert 1 <= len(one.examples) <= 3
        for decision in one.examples:
            assert decision.detail in stored
            assert _escaped(decision.detail) in page


def _escaped(text: str) -> str:
    for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        text = text.replace(plain, written)
    return text


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = _page()
    assert not re.search(r"https?://|//[a-z]|<script|<link|<img|<iframe|@import|\bsrc=|\bon[a-z]+=", page)
    assert "default-src 'none'" in page
    hrefs = set(re.findall(r'href="([^"]*)"', page))
    assert all(href.startswith("#") for href in hrefs)
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    assert {href[1:] for href in hrefs} <= set(identities)


def test_what_came_from_outside_is_escaped() -> None:
    facts = replace(_made()[0], tape=replace(_tape(), source_name="<script>alert(1)</script>"))
    page = backtest_page(facts)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>bars" not in page


def test_colours_follow_the_reader() -> None:
    page = _page()
    assert "prefers-color-scheme: dark" in page
    assert "#0102" not in page, "a stand-in colour was left"
    assert page.count('<div class="wide"') == page.count('<div class="narrow"') >= 4


def test_costs_settings_models_and_that_it_is_simulated_are_told() -> None:
    page = _page()
    for said in (
        "Simulated.",
        "2.25 USD",
        "1 tick of slippage",
        "25,000.00",
        "es-5m-test",
        "ledger.csv",
        "a note beside",
    ):
        assert said in page
    assert "<strong>cycle.strategies_agree_min</strong>" in page, "it differs from the default"
    assert "<strong>cycle.stop_ticks_max</strong>" not in page


def test_a_backtest_without_a_trade_has_a_page_too() -> None:
    facts, _ = _made(2)
    assert not facts.rows
    page = backtest_page(facts)
    assert "None: no signal passed every gate" in page
    assert "stop too wide" in page


@pytest.mark.parametrize(("position", "said"), [(0, False), (1, True)])
def test_a_position_that_is_still_open_is_told(position: int, *, said: bool) -> None:
    facts = _made()[0]
    page = backtest_page(replace(facts, result=replace(facts.result, final_position=position)))
    assert ("A position of +1 was still open" in page) is said
