"""The bare script of `mia bench throughput` does on a gateway what its figures say that it did."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from mia_actors.cli.bench_throughput import Market, _turn
from mia_actors.cli.bench_throughput_contenders import Script
from mia_actors.core.clock import SystemClock

pytestmark = pytest.mark.gateway
BARS, ORDERS = 100, 3


def test_the_script_hears_every_bar_and_leaves_no_order_behind() -> None:
    with ExitStack() as started:
        market = Market.open(started)
        script = Script(
            Path(sys.executable),
            "ib_insync",
            tws_port=market.gateway.tws_port,
            local_symbol=str(market.gateway.hello["contract"]),
        )
        started.callback(script.close)
        _turn(script, market, BARS, ORDERS, SystemClock())
        orders = market.control.orders()
    figures = script.figures
    assert figures.live.messages == figures.backlog.messages == BARS - 2
    assert all(0 < us < 1e6 for us in figures.live.us + figures.backlog.us)
    assert len(figures.place_ms) == len(figures.cancel_ms) == ORDERS
    assert [order["state"] for order in orders] == ["cancelled"] * 2 * ORDERS
