"""The side the strategies agree on, with enough confluence behind it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from mia_actors.core.decisions import Reason
from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.cycle.integrity import is_stale
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.cycle.trail import Trail
from mia_actors.strategies import mtf_confluence
from mia_actors.strategies.confluence import ConfluenceReading, confluence
from mia_actors.strategies.registry import evaluate_strategies


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A side the strategies agree on, and what supports it."""

    side: Side
    readings: tuple[StrategyReading, ...]
    context: tuple[StrategyReading, ...]
    """The readings, and that of all timeframes together where it was not asked: ensemble and confluence want it."""
    support: float
    """Confluence relative to the side, in [0, 1]."""
    coverage: float

    @property
    def calling(self) -> tuple[StrategyReading, ...]:
        """The readings that call the side."""
        return tuple(reading for reading in self.readings if reading.side is self.side)


def find_signal(
    settings: DecisionSettings,
    features: Mapping[Timeframe, TimeframeFeatures],
    at_ns: int,
    trail: Trail,
) -> Signal | None:
    """The signal at a moment, or None where a gate says no; stale timeframes are not heard."""
    heard = {frame: one for frame, one in features.items() if not is_stale(frame, one.as_of_ns, at_ns)}
    if not trail.passes(
        Reason.FEATURES_UNAVAILABLE,
        holds=settings.entry_timeframe in heard,
        found=f"{', '.join(heard) or 'no'} readings in time",
        wanted=f"those of {settings.entry_timeframe}",
        detail=f"no closed {settings.entry_timeframe} bar yet",
    ):
        return None
    readings = evaluate_strategies(settings.strategies, heard, settings.entry_timeframe)
    trail.readings = readings
    side = _side(settings, readings, trail)
    if side is None:
        return None
    context = _with_all_timeframes(readings, heard, settings.entry_timeframe)
    found = confluence(heard, settings.entry_timeframe, context)
    if not trail.passes(
        Reason.CONFLUENCE_COVERAGE,
        holds=found.coverage >= settings.confluence_coverage_min,
        found=f"coverage {found.coverage:.2f}",
        wanted=f"at least {settings.confluence_coverage_min:.2f}",
    ):
        return None
    support = relative(found, side)
    if not trail.passes(
        Reason.CONFLUENCE_TOO_LOW,
        holds=support >= settings.confluence_min,
        found=f"confluence {support:.3f} for {side}",
        wanted=f"at least {settings.confluence_min:.2f}",
    ):
        return None
    return Signal(side=side, readings=readings, context=context, support=support, coverage=found.coverage)


def relative(found: ConfluenceReading, side: Side) -> float:
    """Confluence relative to a side, in [0, 1]; 0.5 is neutral."""
    return (side.sign * found.value + 1) / 2


def _with_all_timeframes(
    readings: tuple[StrategyReading, ...],
    features: Mapping[Timeframe, TimeframeFeatures],
    entry_timeframe: Timeframe,
) -> tuple[StrategyReading, ...]:
    if any(reading.strategy == mtf_confluence.NAME for reading in readings):
        return readings
    return (*readings, mtf_confluence.evaluate(features, entry_timeframe))


def _side(settings: DecisionSettings, readings: tuple[StrategyReading, ...], trail: Trail) -> Side | None:
    sides = [reading.side for reading in readings if reading.side is not None]
    if not trail.passes(
        Reason.NO_STRATEGY_SIGNAL,
        holds=bool(sides),
        found=f"{len(sides)} of {len(readings)} strategies call a side",
        wanted="one",
        detail="; ".join(f"{reading.strategy}: {reading.reason}" for reading in readings)
        if not sides
        else "",
    ):
        return None
    calls = ", ".join(f"{reading.strategy} {reading.side}" for reading in readings if reading.side)
    wanted = f"{settings.strategies_agree_min} on one side"
    agreed = trail.passes(
        Reason.STRATEGIES_DISAGREE,
        holds=len(set(sides)) == 1 and len(sides) >= settings.strategies_agree_min,
        found=calls,
        wanted=f"{wanted}, none on the other",
        detail=f"{calls}: {wanted} needed, none on the other",
    )
    return sides[0] if agreed else None
