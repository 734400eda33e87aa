"""Base bars to 5-second bars that add up to them exactly."""

from mia_actors.core.market import Bar


def expand(bar: Bar) -> tuple[Bar, ...]:
    """Consecutive 5-second bars whose aggregate is `bar`; the same bar always gives the same ones."""
    raise NotImplementedError
