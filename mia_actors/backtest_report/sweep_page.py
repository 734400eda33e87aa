"""The page of a sweep: every variant and fold, and what the search explains."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from mia_actors.backtest_report.charts import TICKS_NARROW, TICKS_WIDE, shade
from mia_actors.backtest_report.facts import Circumstances
from mia_actors.backtest_report.page import environment
from mia_actors.backtest_report.svg import GRID, LINES, MUTED, Chart, chart
from mia_actors.core.units import ES
from mia_actors.sweep.verdict import VariantFigures, Verdict

LEGEND_MAX = len(LINES)


def sweep_page(
    source: str,
    verdict: Verdict,
    document: Mapping[str, Any],
    commands: Sequence[str],
    made: Circumstances,
) -> str:
    """The report of a sweep as HTML; `commands` choose the part of the tape of each run."""
    template = environment(ES).get_template("sweep.html.jinja")
    return template.render(
        title=f"Sweep over {source}",
        source=source,
        verdict=verdict,
        document=document,
        keys=list(verdict.variants[0].settings),
        runs=list(zip(document["runs"], commands, strict=True)),
        walked=sum(one.figures.pnl_usd for one in verdict.walk_forward),
        equity=_equity_chart(verdict, made),
        made=made,
    )


def _equity_chart(verdict: Verdict, made: Circumstances) -> Chart:
    """Cumulative net profit of each variant by trade date; shaded what models were fitted on."""
    spans = [_span(verdict.days, first, last) for first, last in made.fitted]
    named = _named(verdict)
    numbers = {one.number for one in named}

    def draw(figure: Any, is_narrow: bool) -> None:  # noqa: FBT001 - the signature of `Draw`
        axes = figure.subplots()
        shade(axes, spans)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        for one in verdict.variants:
            if one.number not in numbers:
                axes.plot(np.cumsum(one.daily), color=GRID, linewidth=0.9)
        for colour, one in zip(LINES, named, strict=False):
            axes.plot(np.cumsum(one.daily), color=colour, linewidth=1.4, label=_label(one))
        count = min(TICKS_NARROW if is_narrow else TICKS_WIDE, len(verdict.days))
        places = np.unique(np.linspace(0, len(verdict.days) - 1, count).astype(int))
        axes.set_xticks(places, [f"{verdict.days[place]:%d %b %y}" for place in places])
        axes.set_ylabel("net USD")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        figure.legend(loc="outside lower left", fontsize=8, ncols=1 if is_narrow else 2)

    rest = len(verdict.variants) - len(named)
    others = f"; in grey the other {rest}" if rest else ""
    return chart(
        "variants",
        "Equity by variant",
        f"Net profit of closed trades by trade date, one fold after the other, of the {len(named)} variants "
        f"with the most profit{others}.",
        draw,
        height=4.6,
        narrow_height=4.8,
    )


def _span(days: Sequence[date], first: date, last: date) -> tuple[float, float] | None:
    places = [place for place, day in enumerate(days) if first <= day <= last]
    return (places[0] - 0.5, places[-1] + 0.5) if places else None


def _named(verdict: Verdict) -> list[VariantFigures]:
    """Those that get a colour and a name: most profit first."""
    return sorted(verdict.variants, key=lambda one: -one.figures.pnl_usd)[:LEGEND_MAX]


def _label(one: VariantFigures) -> str:
    said = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in one.settings.items())
    return f"{one.number + 1}: {said}" if said else "as in supervision.yaml"
