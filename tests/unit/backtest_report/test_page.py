"""The page is one file that asks for nothing, escapes what it is told, and leaves nothing out."""

import re
from dataclasses import replace
from datetime import date

import pytest

from mia_actors.backtest_report.charts import Curve
from mia_actors.backtest_report.page import backtest_page
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import ES
from tests.unit.backtest_report.eager import MADE, eager_tape, made, page_made


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = page_made()
    assert not re.search(r"https?://|//[a-z]|<script|<link|<img|<iframe|@import|\bsrc=|\bon[a-z]+=", page)
    assert "default-src 'none'" in page
    hrefs = set(re.findall(r'href="([^"]*)"', page))
    assert all(href.startswith("#") for href in hrefs)
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    assert {href[1:] for href in hrefs} <= set(identities)


def test_what_came_from_outside_is_escaped() -> None:
    facts = replace(made()[0], tape=replace(eager_tape(), source_name="<script>alert(1)</script>"))
    page = backtest_page(facts)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>bars" not in page


def test_colours_follow_the_reader() -> None:
    page = page_made()
    assert "prefers-color-scheme: dark" in page
    assert "#0102" not in page, "a stand-in colour was left"
    assert page.count('<div class="wide"') == page.count('<div class="narrow"') >= 4


def test_costs_settings_models_and_that_it_is_simulated_are_told() -> None:
    page = page_made()
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
    facts, _ = made(2)
    assert not facts.rows
    page = backtest_page(facts)
    assert "None: no signal passed every gate" in page
    assert "stop too wide" in page


@pytest.mark.parametrize(("position", "said"), [(0, False), (1, True)])
def test_a_position_that_is_still_open_is_told(position: int, *, said: bool) -> None:
    facts = made()[0]
    page = backtest_page(replace(facts, result=replace(facts.result, final_position=position)))
    assert ("A position of +1 was still open" in page) is said


def test_the_time_that_models_were_fitted_on_is_shaded() -> None:
    curve = Curve(eager_tape().bars, ES)
    monday = [
        place for place, bar in enumerate(eager_tape().bars) if trade_date(bar.start_ns) == date(2026, 3, 9)
    ]
    assert curve.span(date(2015, 1, 1), date(2026, 3, 9)) == (monday[0] - 0.5, monday[-1] + 0.5)
    assert curve.span(date(2015, 1, 1), date(2020, 1, 1)) is None
    assert "Shaded: the time" in page_made()
    facts = made()[0]
    unseen = backtest_page(replace(facts, circumstances=replace(MADE, fitted=())))
    assert "Shaded" not in unseen
