"""The comparison as a JSON document, as Markdown, and as pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mia_actors.evidence.comparison import ALL, Compared, Comparison
from mia_actors.evidence.trading import Figures

TARGETS = "65-70 % won, profit factor above 2, drawdown below 15 %, 5-10 trades a day"
COSTS = "One contract, after costs: a tick of slippage a side on market and stop orders, 2.25 USD a side."
ERRORS = "± is one standard error of the mean, days as clusters."
TABLE_FILE, EQUITY_FILE, TRADES_FILE, JSON_FILE = "table.md", "equity.png", "per_trade.png", "evidence.json"


def document(found: Comparison, source: str) -> dict[str, Any]:
    """Every figure."""
    return {
        "source": source,
        "years": found.years,
        "targets": TARGETS,
        "variants": {one.name: _one(one) for one in found.variants},
        "holding": _one(found.holding),
        "random_net_usd_per_trade": {
            year: {"mean": round(mean, 2), "p5": round(low, 2), "p95": round(high, 2)}
            for year, (mean, low, high) in found.random.items()
        },
        "probability_of_overfitting": found.probability_of_overfitting,
        "information_coefficients": found.information,
    }


def _one(compared: Compared) -> dict[str, Any]:
    return {
        "what": compared.what,
        "gross_usd_per_trade": compared.gross_per_trade,
        "better_than_random": compared.better_than_random,
        "deflated_sharpe": compared.deflated_sharpe,
        "by_year": {year: asdict(figures) for year, figures in compared.by_year.items()},
    }


def table(found: Comparison, source: str) -> str:
    """Markdown of every variant and year."""
    lines = [
        f"Source: {source}. {COSTS} Targets of the design: {TARGETS}. {ERRORS}",
        "",
        "| variant | year | trades | a day | won | profit factor | net USD | a trade | drawdown USD (%) | Sharpe |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in (*found.variants, found.holding):
        for year, figures in one.by_year.items():
            name = f"**{one.name}**" if year == ALL else one.name
            lines.append(f"| {name} | {year} | {_cells(figures)} |")
    lines += ["", *_judged(found), "", *_random(found), "", *_inputs(found), ""]
    return "\n".join(lines)


def _cells(figures: Figures) -> str:
    error = "" if figures.standard_error is None else f" ± {figures.standard_error:.2f}"
    each = "n/a" if figures.net_usd_per_trade is None else f"{figures.net_usd_per_trade:+.2f}{error}"
    return " | ".join(
        (
            str(figures.trades),
            f"{figures.trades_per_day:.2f}",
            "n/a" if figures.win_rate is None else f"{100 * figures.win_rate:.1f} %",
            _number(figures.profit_factor),
            f"{figures.net_usd:+,.0f}",
            each,
            f"{figures.max_drawdown_usd:,.0f} ({figures.max_drawdown_pct:.0f})",
            _number(figures.sharpe),
        )
    )


def _judged(found: Comparison) -> list[str]:
    lines = [
        "| variant | what it is | gross USD a trade | net USD a trade | better than random | deflated Sharpe |",
        "|---|---|---|---|---|---|",
    ]
    for one in found.variants:
        each = one.by_year[ALL].net_usd_per_trade
        lines.append(
            f"| {one.name} | {one.what} | {_signed(one.gross_per_trade)} | {_signed(each)} "
            f"| {_share(one.better_than_random)} | {_share(one.deflated_sharpe)} |"
        )
    overfit = found.probability_of_overfitting
    said = "n/a" if overfit is None else f"{100 * overfit:.0f} %"
    return [
        *lines,
        "",
        f"Probability of backtest overfitting, of choosing among these {len(found.variants)}: {said}.",
    ]


def _random(found: Comparison) -> list[str]:
    said = [
        f"{year} {mean:+.2f} ({low:+.2f} to {high:+.2f})" for year, (mean, low, high) in found.random.items()
    ]
    return [
        "Random entries, same exits, hours, costs and number, net USD a trade (5 % to 95 % of the draws): "
        + "; ".join(said)
        + "."
    ]


def _inputs(found: Comparison) -> list[str]:
    return [
        "Rank correlation of each input of the ensemble with the result: "
        + ", ".join(f"{name} {value:+.3f}" for name, value in found.information.items())
        + "."
    ]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.2f}"


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.0f} %"


def draw(found: Comparison, folder: Path) -> None:
    """Running results, and the mean trade of each variant with its interval beside that of random entries."""
    import matplotlib as mpl  # noqa: PLC0415 - a second, and only here

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend was chosen

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for one in found.variants:
        if one.by_year[ALL].trades:
            axes.plot(one.equity.index, one.equity.to_numpy(), label=one.name, linewidth=1.1)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_ylabel("net USD, one contract, after costs")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(fontsize=7, ncols=2)
    axes.grid(visible=True, alpha=0.25)
    figure.savefig(folder / EQUITY_FILE, dpi=110)
    plt.close(figure)

    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    shown = [one for one in found.variants if one.by_year[ALL].standard_error is not None]
    for place, one in enumerate(shown):
        whole = one.by_year[ALL]
        error = whole.standard_error or 0.0
        net, gross = whole.net_usd_per_trade or 0.0, one.gross_per_trade or 0.0
        axes.errorbar(net, place, xerr=1.96 * error, fmt="o", color="#1f5fa8", capsize=3)
        axes.plot(gross, place, marker="|", markersize=14, color="#b35c00")
    mean, low, high = found.random[ALL]
    axes.axvspan(low, high, color="grey", alpha=0.3, label=f"random entries, 5-95 % (mean {mean:+.1f})")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.plot([], [], marker="|", markersize=14, color="#b35c00", linestyle="none", label="before costs")
    axes.set_yticks(
        range(len(shown)), [f"{one.name} ({one.by_year[ALL].trades})" for one in shown], fontsize=8
    )
    axes.set_xlabel("USD a trade, 95 % interval")
    axes.legend(fontsize=8)
    axes.grid(visible=True, axis="x", alpha=0.25)
    figure.savefig(folder / TRADES_FILE, dpi=110)
    plt.close(figure)
