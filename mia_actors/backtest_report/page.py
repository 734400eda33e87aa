"""The page: one file, no script, nothing to load. Everything but the pictures is escaped."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mia_actors.backtest_report.charts import Curve, day_charts, equity_chart, price_chart, results_chart
from mia_actors.backtest_report.facts import BacktestFacts
from mia_actors.core.calendar import new_york
from mia_actors.core.units import Product, product
from mia_actors.cycle.explanation import explain
from mia_actors.cycle.performance import Performance

TEMPLATES = Path(__file__).parent / "templates"
NOTHING = "n/a"
BAR_WIDTH = 100


def backtest_page(facts: BacktestFacts) -> str:
    """The report of one backtest as HTML."""
    traded = product(facts.tape.contract.symbol)
    bars, rows = facts.tape.bars, facts.rows
    template = environment(traded).get_template("backtest.html.jinja")
    return template.render(
        title=f"Backtest of {facts.result.instrument}, {facts.tape.source_name}",
        facts=facts,
        headline=headline(facts.figures),
        equity=equity_chart(rows, Curve(bars, traded), bars[-1].end_ns, facts.circumstances.fitted)
        if rows
        else None,
        price=price_chart("price", "Price", rows, bars, traded),
        day_charts=day_charts(rows, bars, traded),
        results=results_chart(rows) if rows else None,
    )


def headline(figures: Performance) -> Sequence[tuple[str, str]]:
    """The figures people look for first, in words."""
    return (
        ("Net profit, USD", usd(figures.pnl_usd)),
        ("Trades", whole(figures.trades)),
        ("Trades a day", f"{figures.trades_per_day:.2f}"),
        ("Won", share(figures.win_rate)),
        ("Profit factor", number(figures.profit_factor)),
        ("Largest drawdown, USD", usd_unsigned(figures.max_drawdown_usd)),
        ("Largest drawdown", f"{figures.max_drawdown_pct:.2f} %"),
        ("Sharpe ratio, yearly", number(figures.sharpe)),
    )


def environment(traded: Product) -> Environment:
    """Templates that escape, fail on a name they are not given, and know units."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "usd": usd,
        "usd_unsigned": usd_unsigned,
        "share": share,
        "number": number,
        "whole": whole,
        "words": lambda name: name.replace("_", " "),
        "explained": explain,
        "moment": lambda time_ns: f"{new_york(time_ns):%Y-%m-%d %H:%M:%S}",
        "price": lambda ticks: f"{Decimal(ticks) * traded.tick_size:,.2f}",
        "ticks": lambda ticks: f"{ticks:+.1f}".removesuffix(".0"),
        "ticks_unsigned": lambda ticks: f"{ticks:.1f}".removesuffix(".0"),
    }
    found.globals["bar"] = bar
    return found


def usd(value: float | Decimal) -> str:
    """Signed, in cents."""
    return f"{value:+,.2f}" if value else "0.00"


def usd_unsigned(value: float | Decimal) -> str:
    """In cents."""
    return f"{value:,.2f}"


def share(value: float | None) -> str:
    """As percent."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """With two digits."""
    return NOTHING if value is None else f"{value:.2f}"


def whole(value: int) -> str:
    """With separators of thousands."""
    return f"{value:,}"


def bar(value: Decimal, widest: Decimal) -> Markup:
    """A bar to the left of the middle for a loss, to the right for a profit."""
    length = float(abs(value) / widest) * BAR_WIDTH / 2 if widest else 0.0
    begin = BAR_WIDTH / 2 - (length if value < 0 else 0)
    colour = "gain" if value > 0 else "loss"
    return Markup(  # noqa: S704 - numbers and names of ours
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M50 0V10" stroke="var(--grid)"/>'
        f'<rect x="{begin:.2f}" y="1" width="{length:.2f}" height="8" fill="var(--{colour})"/></svg>'
    )
