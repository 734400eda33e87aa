"""Bar patterns of domain section 3.1, judged when their last bar has closed."""

from collections.abc import Sequence
from dataclasses import dataclass

from mia_actors.features.window import BarWindow

PATTERN_BARS = 4
VOLUME_BARS = 20
TURN_TICKS = 8
SETTING_TICKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    """Four bars, oldest first, seen from the buyers' side."""

    opens: Sequence[int]
    highs: Sequence[int]
    lows: Sequence[int]
    closes: Sequence[int]

    def mirrored(self) -> "_Prices":
        """The same bars as a seller sees them: prices negated, highs and lows exchanged."""
        return _Prices(
            opens=[-price for price in self.opens],
            highs=[-price for price in self.lows],
            lows=[-price for price in self.highs],
            closes=[-price for price in self.closes],
        )


def read_bar_patterns(window: BarWindow) -> float | None:
    """Strongest bullish minus strongest bearish pattern ending at the last bar, in [-1, 1]; 0 when none did.

    Long Down Up and Colour Up Setting are bullish; Long Up Down and Colour Down Setting are the same tests on
    mirrored prices. None before 20 bars.
    """
    if len(window) < VOLUME_BARS:
        return None
    prices = _Prices(
        opens=window.opens[-PATTERN_BARS:],
        highs=window.highs[-PATTERN_BARS:],
        lows=window.lows[-PATTERN_BARS:],
        closes=window.closes[-PATTERN_BARS:],
    )
    traded = sum(window.volumes[-VOLUME_BARS:])
    relative_volume = VOLUME_BARS * window.volumes[-2] / traded if traded else 0.0
    return _bullish(prices, relative_volume) - _bullish(prices.mirrored(), relative_volume)


def _bullish(prices: _Prices, relative_volume: float) -> float:
    return max(_long_down_up(prices, relative_volume), _colour_up_setting(prices))


def _long_down_up(prices: _Prices, relative_volume: float) -> float:
    """A gap down, a long way down from the previous high, and the next bar takes it all back."""
    _, _, opened, next_open = prices.opens
    _, high_before, _, next_high = prices.highs
    _, _, low, _ = prices.lows
    _, close_before, close, _ = prices.closes
    if not (opened < close_before and next_open > close):
        return 0.0
    if not (high_before > low + TURN_TICKS and next_high > low + TURN_TICKS and next_high > high_before):
        return 0.0
    return 0.7 * min((high_before - low) / (2 * TURN_TICKS), 1.0) + 0.3 * min(relative_volume, 1.0)


def _colour_up_setting(prices: _Prices) -> float:
    """Two long turns up in a row, each from a gap, the second low above the first."""
    _, open_before, _, next_open = prices.opens
    high_oldest, high_before, high, next_high = prices.highs
    low_oldest, low_before, low, _ = prices.lows
    close_oldest, _, close, _ = prices.closes
    last_turn = next_open > close and low < next_high - SETTING_TICKS and next_high > high
    first_turn = (
        open_before > close_oldest and low_oldest < high_before - SETTING_TICKS and high_before > high_oldest
    )
    if not (last_turn and first_turn and low > low_before):
        return 0.0
    return 0.8 * min((high_before - low_oldest) / (2 * SETTING_TICKS), 1.0)
