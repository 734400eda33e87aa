"""Data integrity (domain section 1.1): what blocks a cycle, and what is only noted. Pure.

What is checked elsewhere, because it is known there: prices off the grid and columns that contradict each other when
a tape is read (`exchange.tape`), crossed or wide quotes, feeds that fall silent and clocks that disagree by the broker
and the guardian (`broker`, `guardian.market_limits`), decisions that are too old to act on by the executor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import Product

PRICE_MAX = 10_000
JUMP_MAX = 0.05
VOLUME_MAX = 1_000_000
VOLUME_TIMES_MEAN_MAX = 10
STALE_S = 300
STALE_NS = STALE_S * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Findings on one bar."""

    critical: tuple[str, ...]
    warnings: tuple[str, ...]
    validations: int
    """Checks made: one that lacks its input is not made."""

    @property
    def blocks(self) -> bool:
        """True when nothing may be decided on the bar."""
        return bool(self.critical)

    @property
    def quality(self) -> float:
        """1 - (2 · critical + warnings) / validations, at least 0."""
        return max(0.0, 1 - (2 * len(self.critical) + len(self.warnings)) / self.validations)


def is_stale(timeframe: Timeframe, as_of_ns: int, at_ns: int) -> bool:
    """Readings of a timeframe that should have been replaced 300 s ago: the feed had a gap."""
    return at_ns - as_of_ns > timeframe.ns + STALE_NS


def check_bar(
    product: Product, bar: Bar, previous: Bar | None, *, relative_volume: float | None = None
) -> Integrity:
    """Findings on a bar, against the one before it. Prices are on the grid by construction.

    `relative_volume` is its volume over the mean of the ten before it, where that is known.
    """
    critical = [*_outside(product, bar), *_crossed(bar)]
    warnings = [] if 0 <= bar.volume <= VOLUME_MAX else [f"volume {bar.volume} outside 0 to {VOLUME_MAX}"]
    validations = 7
    if relative_volume is not None:
        validations += 1
        if relative_volume > VOLUME_TIMES_MEAN_MAX:
            said = (
                f"volume {relative_volume:.1f} times the mean of ten bars, more than {VOLUME_TIMES_MEAN_MAX}"
            )
            warnings.append(said)
    if previous is not None and previous.instrument == bar.instrument:
        validations += 2
        if bar.start_ns < previous.end_ns:
            critical.append("bar overlaps the one before it")
        jump = abs(bar.close_ticks - previous.close_ticks) / max(1, previous.close_ticks)
        if jump > JUMP_MAX:
            warnings.append(f"close moved {jump:.1%}, more than {JUMP_MAX:.0%}")
    return Integrity(critical=tuple(critical), warnings=tuple(warnings), validations=validations)


def _outside(product: Product, bar: Bar) -> Iterator[str]:
    for name in ("open", "high", "low", "close"):
        price = product.price_of(getattr(bar, f"{name}_ticks"))
        if not 1 <= price <= PRICE_MAX:
            yield f"{name} {price} outside 1 to {PRICE_MAX}"


def _crossed(bar: Bar) -> Iterator[str]:
    if not bar.low_ticks <= min(bar.open_ticks, bar.close_ticks):
        yield "low above open or close"
    if not bar.high_ticks >= max(bar.open_ticks, bar.close_ticks):
        yield "high below open or close"
