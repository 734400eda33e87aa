"""Every signal of a tape and what became of it, every moment at which one could have been, and holding instead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mia_actors.core.calendar import new_york
from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.core.kernel import kernel
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Product
from mia_actors.cycle.dataset import Sample, horizon_ns, samples_of
from mia_actors.cycle.outcomes import LabelCosts, triple_barrier
from mia_actors.cycle.screen import places_decided
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import Tape
from mia_actors.features.columns import FloatArray, IntArray
from mia_actors.features.readings import Records
from mia_actors.features.tape_features import BaseColumns, TapeFeatures
from mia_actors.risk.brackets import bracket_ticks
from mia_actors.strategies.registry import BUILT_IN, DEFAULT

NEUTRAL_SUPPORT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Tables of one tape, in order of time. USD are of one contract."""

    signals: pd.DataFrame
    """One row per signal: `time_ns end_ns day year minute side net gross stop support coverage confidence called`,
    a column per strategy (called or not), `volatility market trend`, and the ensemble's features."""
    alone: Mapping[str, pd.DataFrame]
    """The same by strategy, for those that are not asked by default: each asked alone."""
    elsewhere: pd.DataFrame
    """One row per decided bar and side, signal or not: `time_ns end_ns year side net stop`."""
    holding: pd.DataFrame
    """One row per trade date: `day year net` of one contract held, the jump between two contracts left out."""


def collect(
    tapes: Sequence[Callable[[], Tape]],
    *,
    settings: DecisionSettings,
    product: Product,
    costs: LabelCosts,
    on_tape: Callable[[], None] = lambda: None,
) -> Collected:
    """Reads one contract after the other; each is loaded when its turn comes."""
    signals, elsewhere, holding = [], [], []
    lone = {
        name: settings.model_copy(update={"strategies": (name,), "strategies_agree_min": 1})
        for name in BUILT_IN
        if name not in DEFAULT
    }
    alone: dict[str, list[pd.DataFrame]] = {name: [] for name in lone}
    for load in tapes:
        tape = load()
        signals.append(_signals(tape, settings, product, costs))
        for name, asked in lone.items():
            alone[name].append(_signals(tape, asked, product, costs))
        elsewhere.append(_elsewhere(tape, settings, product, costs))
        holding.append(_holding(tape, product))
        on_tape()
    return Collected(
        signals=_in_order(signals),
        alone={name: found for name, parts in alone.items() if len(found := _in_order(parts))},
        elsewhere=_in_order(elsewhere),
        holding=_in_order(holding, "day"),
    )


def _in_order(parts: Sequence[pd.DataFrame], by: str = "time_ns") -> pd.DataFrame:
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame()
    return pd.concat(found, ignore_index=True).sort_values(by, kind="stable", ignore_index=True)


def _signals(tape: Tape, settings: DecisionSettings, product: Product, costs: LabelCosts) -> pd.DataFrame:
    free = LabelCosts(slippage_ticks=0, commission_usd_per_side=costs.commission_usd_per_side * 0)
    paid = samples_of(tape.bars, settings=settings, product=product, costs=costs)
    unpaid = samples_of(tape.bars, settings=settings, product=product, costs=free)
    gross = {sample.event_time_ns: float(sample.net_usd) for sample in unpaid}
    return pd.DataFrame([_row(sample, gross[sample.event_time_ns]) for sample in paid])


def _row(sample: Sample, gross: float) -> dict[str, object]:
    context = sample.context
    if context is None:
        raise AssertionError("a sample of the decision core has its context")
    moment = new_york(sample.event_time_ns)
    return {
        "time_ns": sample.event_time_ns,
        "end_ns": sample.label_end_ns,
        "day": trade_date(sample.event_time_ns - 1).toordinal(),
        "year": moment.year,
        "minute": 60 * moment.hour + moment.minute,
        "side": sample.side.sign,
        "net": float(sample.net_usd),
        "gross": gross,
        "stop": context.stop_ticks,
        "support": context.support,
        "coverage": context.coverage,
        "confidence": context.confidence,
        "called": len(context.called),
        **{name: name in context.called for name in DEFAULT},
        "volatility": context.volatility,
        "market": context.market,
        "trend": context.trend,
        **dict(zip(ENSEMBLE_FEATURES, sample.vector, strict=True)),
    }


def _elsewhere(tape: Tape, settings: DecisionSettings, product: Product, costs: LabelCosts) -> pd.DataFrame:
    features = TapeFeatures(tape.bars)
    places = places_decided(features, settings)
    entry = features.by_timeframe[settings.entry_timeframe]
    places = places[entry.closed[places] > 0]
    base_ns = tape.base_timeframe.ns
    ends_ns = features.base.starts_ns[places] + base_ns
    limits_ns = np.array([horizon_ns(settings, int(end_ns)) for end_ns in ends_ns], dtype=np.int64)
    parts = []
    for side in (1, -1):
        ticks, known_ns, stops = _barriers(
            entry.records_at(places), features.base, base_ns, places, limits_ns, side, costs.slippage_ticks
        )
        parts.append(
            pd.DataFrame(
                {
                    "time_ns": ends_ns,
                    "end_ns": known_ns,
                    "side": side,
                    "net": ticks * float(product.tick_value_usd) - 2 * float(costs.commission_usd_per_side),
                    "stop": stops,
                }
            )
        )
    found = pd.concat(parts, ignore_index=True)
    found = found[(found["end_ns"] > 0) & (found["stop"] <= settings.stop_ticks_max) & (found["stop"] > 0)]
    return found.assign(year=pd.to_datetime(found["time_ns"]).dt.year)


@kernel
def _barriers(
    records: Records,
    base: BaseColumns,
    base_ns: int,
    places: IntArray,
    limits_ns: IntArray,
    side: int,
    slippage_ticks: int,
) -> tuple[FloatArray, IntArray, IntArray]:
    """Ticks, ends and stop distances of an entry on one side at every place; a stop of 0: no bracket exists."""
    ticks, ends_ns = np.zeros(len(places)), np.full(len(places), -1)
    stops = np.zeros(len(places), dtype=np.int64)
    for row in range(len(places)):
        own = records[row]
        if np.isnan(own["market_regime"]) or np.isnan(own["volatility_regime"]):
            continue
        stop, target = bracket_ticks(
            int(own["market_regime"]),
            int(own["volatility_regime"]),
            0.0 if np.isnan(own["base_quality"]) else own["base_quality"],
            own["base_low_ticks"],
            own["base_high_ticks"],
            own["atr_ticks"],
            own["close_ticks"],
            side,
            NEUTRAL_SUPPORT,
        )
        found = triple_barrier(base, base_ns, places[row], side, stop, target, limits_ns[row], slippage_ticks)
        ticks[row], ends_ns[row], stops[row] = found.ticks, found.end_ns, stop
    return ticks, ends_ns, stops


def _holding(tape: Tape, product: Product) -> pd.DataFrame:
    days = np.array([trade_date(bar.start_ns).toordinal() for bar in tape.bars])
    last = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    closes = np.array([tape.bars[place].close_ticks for place in last])
    moves = np.diff(closes, prepend=tape.bars[0].open_ticks) * float(product.tick_value_usd)
    years = [new_york(tape.bars[place].start_ns).year for place in last]
    return pd.DataFrame({"day": days[last], "year": years, "net": moves})
