"""The pictures of a backtest: equity and drawdown, price with entries and exits, results of trades."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from mia_actors.backtest_report.svg import ACCENT, GAIN, INK, LOSS, MUTED, Chart, chart
from mia_actors.backtest_report.trade_rows import TradeRow
from mia_actors.core.calendar import new_york
from mia_actors.core.market import Bar
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Product
from mia_actors.features.columns import FloatArray, IntArray

BUCKETS_WIDE, BUCKETS_NARROW = 900, 400
"""Points of a price curve; more than can be told apart only make the page large."""
TICKS_WIDE, TICKS_NARROW = 9, 4
HOURS_SHOWN_DAYS_MAX = 2
SIZE, SIZE_IN_A_CROWD, CROWD = 6.0, 3.5, 40
"""Of the marks of entries and exits; that many trades are a crowd."""
MARGIN_BARS = 12
"""Bars before the first entry and after the last exit of a day that is shown."""


class Curve:
    """Consecutive bars on an axis without the times at which nothing traded."""

    def __init__(self, bars: Sequence[Bar], product: Product) -> None:
        self._bars = bars
        self._tick = float(product.tick_size)
        self._ends_ns = [bar.end_ns for bar in bars]
        self._days = len({trade_date(bar.start_ns) for bar in bars})

    def place(self, time_ns: int) -> int:
        """Where on the axis a moment is."""
        return min(bisect_left(self._ends_ns, time_ns), len(self._bars) - 1)

    def price(self, ticks: Decimal | int) -> float:
        """As the axis has it."""
        return float(ticks) * self._tick

    def thinned(self, buckets: int) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Places, and lowest, highest and last price of each stretch of bars."""
        starts = np.unique(
            np.linspace(0, len(self._bars), min(buckets, len(self._bars)) + 1)[:-1].astype(np.int64)
        )
        ends = np.append(starts[1:], len(self._bars))
        lows = np.array([bar.low_ticks for bar in self._bars]) * self._tick
        highs = np.array([bar.high_ticks for bar in self._bars]) * self._tick
        closes = np.array([bar.close_ticks for bar in self._bars]) * self._tick
        return (
            ends - 1,
            np.minimum.reduceat(lows, starts),
            np.maximum.reduceat(highs, starts),
            closes[ends - 1],
        )

    def span(self, first: date, last: date) -> tuple[float, float] | None:
        """Where the bars of these trade dates are; None where there are none."""
        places = [place for place, bar in enumerate(self._bars) if first <= trade_date(bar.start_ns) <= last]
        return (places[0] - 0.5, places[-1] + 0.5) if places else None

    def label(self, axes: Any, *, is_narrow: bool) -> None:
        """Writes New York times, or trade dates where there are many, along the axis."""
        count = TICKS_NARROW if is_narrow else TICKS_WIDE
        places = np.unique(np.linspace(0, len(self._bars) - 1, count).astype(int))
        names = [self._name(self._bars[place]) for place in places]
        axes.set_xticks(places, names)
        axes.margins(x=0.01)

    def _name(self, bar: Bar) -> str:
        if self._days <= HOURS_SHOWN_DAYS_MAX:
            return f"{new_york(bar.end_ns):%H:%M}"
        return f"{trade_date(bar.start_ns):%d %b %y}"


def shade(axes: Any, spans: Iterable[tuple[float, float] | None]) -> None:
    """The times that the models were fitted on."""
    for span in spans:
        if span is not None:
            axes.axvspan(*span, color=MUTED, alpha=0.16, linewidth=0)


def equity_chart(
    rows: Sequence[TradeRow], curve: Curve, last_ns: int, fitted: Sequence[tuple[date, date]]
) -> Chart:
    """Cumulative net profit of closed trades, and how far it is below its highest; the time models were fitted on."""
    spans = [curve.span(first, last) for first, last in fitted]
    places = [0, *(curve.place(row.trade.closed_at_ns) for row in rows), curve.place(last_ns)]
    steps = np.array([0.0, *(float(row.trade.net_usd) for row in rows), 0.0])
    equity = np.cumsum(steps)
    below = equity - np.maximum.accumulate(equity)

    def draw(figure: Any, is_narrow: bool) -> None:  # noqa: FBT001 - the signature of `Draw`
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.axhline(0, color=MUTED, linewidth=0.8)
        upper.step(places, equity, where="post", color=ACCENT, linewidth=1.5)
        upper.set_ylabel("net USD")
        lower.fill_between(places, below, 0, step="post", color=LOSS, alpha=0.35, linewidth=0)
        lower.step(places, below, where="post", color=LOSS, linewidth=1)
        lower.set_ylabel("drawdown")
        for axes in (upper, lower):
            shade(axes, spans)
            axes.yaxis.set_major_formatter("{x:,.0f}")
        curve.label(lower, is_narrow=is_narrow)

    return chart(
        "equity",
        "Equity and drawdown",
        f"Net profit of closed trades ends at {equity[-1]:,.2f} USD; largest drawdown {-below.min():,.2f} USD.",
        draw,
        height=4.4,
        narrow_height=4.0,
    )


def price_chart(
    name: str, title: str, rows: Sequence[TradeRow], bars: Sequence[Bar], product: Product
) -> Chart:
    """Price with every entry and exit; a line joins the two."""
    curve = Curve(bars, product)

    def draw(figure: Any, is_narrow: bool) -> None:  # noqa: FBT001 - the signature of `Draw`
        axes = figure.subplots()
        places, lows, highs, closes = curve.thinned(BUCKETS_NARROW if is_narrow else BUCKETS_WIDE)
        axes.fill_between(places, lows, highs, color=MUTED, alpha=0.3, linewidth=0)
        axes.plot(places, closes, color=INK, linewidth=0.8, alpha=0.8)
        for row in rows:
            _mark(axes, curve, row, size=SIZE if len(rows) <= CROWD else SIZE_IN_A_CROWD)
        axes.yaxis.set_major_formatter("{x:,.2f}")
        curve.label(axes, is_narrow=is_narrow)

    says = f"Price of {bars[0].instrument} with {len(rows)} trades, each from its entry to its exit."
    return chart(name, title, says, draw, height=4.2, narrow_height=3.6)


def _mark(axes: Any, curve: Curve, row: TradeRow, *, size: float) -> None:
    trade = row.trade
    begin, end = curve.place(trade.opened_at_ns), curve.place(trade.closed_at_ns)
    entry, leave = curve.price(trade.entry_price_ticks), curve.price(trade.exit_price_ticks)
    colour = GAIN if trade.net_usd > 0 else LOSS
    axes.plot([begin, end], [entry, leave], color=colour, linewidth=1.2)
    axes.plot(
        [begin], [entry], marker="^" if trade.side.sign > 0 else "v", color=colour, markersize=size, zorder=3
    )
    axes.plot(
        [end], [leave], marker="x", color=colour, markersize=size - 1, markeredgewidth=size / 4, zorder=3
    )


def day_charts(rows: Sequence[TradeRow], bars: Sequence[Bar], product: Product) -> tuple[Chart, ...]:
    """The worst, the best and the busiest trade date, around their trades; each once."""
    by_day: dict[date, list[TradeRow]] = {}
    for row in rows:
        by_day.setdefault(trade_date(row.trade.closed_at_ns - 1), []).append(row)
    if not by_day:
        return ()
    net = {day: sum((row.trade.net_usd for row in found), Decimal(0)) for day, found in by_day.items()}
    chosen = {
        min(net, key=lambda day: net[day]): "Worst day",
        max(by_day, key=lambda day: len(by_day[day])): "Busiest day",
        max(net, key=lambda day: net[day]): "Best day",
    }
    if len(by_day) == 1:
        chosen = dict.fromkeys(by_day, "The day with trades")
    return tuple(
        price_chart(
            f"day-{day}",
            f"{title}: {day:%A %d %B %Y}, {net[day]:+,.2f} USD",
            by_day[day],
            _around(by_day[day], bars),
            product,
        )
        for day, title in chosen.items()
    )


def _around(rows: Sequence[TradeRow], bars: Sequence[Bar]) -> Sequence[Bar]:
    first_ns = min(row.trade.opened_at_ns for row in rows)
    last_ns = max(row.trade.closed_at_ns for row in rows)
    begin = bisect_left(bars, first_ns, key=lambda bar: bar.end_ns)
    end = bisect_left(bars, last_ns, key=lambda bar: bar.end_ns)
    margin = max(MARGIN_BARS, (end - begin) // 2)
    return bars[max(0, begin - margin) : end + margin + 1]


def results_chart(rows: Sequence[TradeRow]) -> Chart:
    """How the results of trades are spread."""
    ticks = np.array([float(row.ticks) for row in rows])

    def draw(figure: Any, is_narrow: bool) -> None:  # noqa: FBT001 - the signature of `Draw`
        axes = figure.subplots()
        count = 15 if is_narrow else 31
        reach = max(1.0, float(np.abs(ticks).max()))
        found, edges = np.histogram(ticks, bins=np.linspace(-reach, reach, count + 1))
        middles = (edges[:-1] + edges[1:]) / 2
        colours = [GAIN if middle > 0 else LOSS for middle in middles]
        axes.bar(middles, found, width=np.diff(edges) * 0.92, color=colours)
        axes.set_xlabel("ticks per contract, before commissions")
        axes.set_ylabel("trades")
        axes.yaxis.get_major_locator().set_params(integer=True)

    says = f"Results of {len(rows)} trades, from {ticks.min():g} to {ticks.max():g} ticks."
    return chart("results", "Results of the trades", says, draw, height=2.8, narrow_height=2.8)
