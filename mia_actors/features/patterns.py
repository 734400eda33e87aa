"""Bar patterns of domain section 3.1, judged when their last bar has closed."""

from math import nan
from typing import NamedTuple

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns

VOLUME_BARS = 20
TURN_TICKS = 8
SETTING_TICKS = 12


class _Prices(NamedTuple):
    """One bar, seen from one side: a seller sees prices negated, highs and lows exchanged."""

    opened: int
    high: int
    low: int
    close: int


@kernel
def read_bar_patterns(columns: Columns, first: int, last: int) -> float:
    """Strongest bullish minus strongest bearish pattern ending at the last bar, in [-1, 1]; 0 when none did.

    Long Down Up and Colour Up Setting are bullish; Long Up Down and Colour Down Setting are the same tests on
    mirrored prices. NaN before 20 bars.
    """
    if last - first + 1 < VOLUME_BARS:
        return nan
    traded = 0
    for place in range(last - VOLUME_BARS + 1, last + 1):
        traded += columns.volumes[place]
    relative_volume = VOLUME_BARS * columns.volumes[last - 1] / traded if traded else 0.0
    return _strongest(columns, last, 1, relative_volume) - _strongest(columns, last, -1, relative_volume)


@kernel
def _strongest(columns: Columns, last: int, side: int, relative_volume: float) -> float:
    return max(_long_down_up(columns, last, side, relative_volume), _colour_up_setting(columns, last, side))


@kernel
def _seen(columns: Columns, place: int, side: int) -> _Prices:
    if side > 0:
        return _Prices(columns.opens[place], columns.highs[place], columns.lows[place], columns.closes[place])
    return _Prices(-columns.opens[place], -columns.lows[place], -columns.highs[place], -columns.closes[place])


@kernel
def _long_down_up(columns: Columns, last: int, side: int, relative_volume: float) -> float:
    """A gap down, a long way down from the previous high, and the next bar takes it all back."""
    before, turn, after = (
        _seen(columns, last - 2, side),
        _seen(columns, last - 1, side),
        _seen(columns, last, side),
    )
    if not (turn.opened < before.close and after.opened > turn.close):
        return 0.0
    floor = turn.low + TURN_TICKS
    if not (before.high > floor and after.high > floor and after.high > before.high):
        return 0.0
    return 0.7 * min((before.high - turn.low) / (2 * TURN_TICKS), 1.0) + 0.3 * min(relative_volume, 1.0)


@kernel
def _colour_up_setting(columns: Columns, last: int, side: int) -> float:
    """Two long turns up in a row, each from a gap, the second low above the first."""
    oldest, before = _seen(columns, last - 3, side), _seen(columns, last - 2, side)
    turn, after = _seen(columns, last - 1, side), _seen(columns, last, side)
    last_turn = after.opened > turn.close and turn.low < after.high - SETTING_TICKS and after.high > turn.high
    first_turn = (
        before.opened > oldest.close
        and oldest.low < before.high - SETTING_TICKS
        and before.high > oldest.high
    )
    if not (last_turn and first_turn and turn.low > before.low):
        return 0.0
    return 0.8 * min((before.high - oldest.low) / (2 * SETTING_TICKS), 1.0)
