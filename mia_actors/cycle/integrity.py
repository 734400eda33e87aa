"""Data integrity of a bar (domain section 1.1): what blocks a cycle, and what is only noted. Pure."""

from dataclasses import dataclass

from mia_actors.core.market import Bar
from mia_actors.core.units import Product

PRICE_MAX = 10_000
JUMP_MAX = 0.05
VOLUME_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Findings on one bar."""

    critical: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def blocks(self) -> bool:
        """True when nothing may be decided on the bar."""
        return bool(self.critical)


def check_bar(product: Product, bar: Bar, previous: Bar | None) -> Integrity:
    """Findings on a bar, against the one before it. Prices are on the grid by construction."""
    critical: list[str] = []
    warnings: list[str] = []
    for name in ("open", "high", "low", "close"):
        price = product.price_of(getattr(bar, f"{name}_ticks"))
        if not 1 <= price <= PRICE_MAX:
            critical.append(f"{name} {price} outside 1 to {PRICE_MAX}")
    if not bar.low_ticks <= min(bar.open_ticks, bar.close_ticks):
        critical.append("low above open or close")
    if not bar.high_ticks >= max(bar.open_ticks, bar.close_ticks):
        critical.append("high below open or close")
    if not 0 <= bar.volume <= VOLUME_MAX:
        warnings.append(f"volume {bar.volume} outside 0 to {VOLUME_MAX}")
    if previous is not None and previous.instrument == bar.instrument:
        if bar.start_ns < previous.end_ns:
            critical.append("bar overlaps the one before it")
        jump = abs(bar.close_ticks - previous.close_ticks) / max(1, previous.close_ticks)
        if jump > JUMP_MAX:
            warnings.append(f"close moved {jump:.1%}, more than {JUMP_MAX:.0%}")
    return Integrity(critical=tuple(critical), warnings=tuple(warnings))
