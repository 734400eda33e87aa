"""The rivals of `mia bench backtest`: other libraries running a strategy of comparable, if anything lighter, work.

On every bar of four timeframes: true range, momentum, deviation, the extremes of the last bars and relative volume;
in regular hours they vote, weighed by timeframe, and an entry carries a stop and a target; flat before the close.
Ours reads more on each bar (swings, bases, regimes, a volume profile, a VWAP) and has a guardian, an ensemble, an order
journal and a ledger besides.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mia_actors.core.market import Bar
from mia_actors.core.trade_date import NEW_YORK
from mia_actors.core.units import ES

FACTORS = (1, 3, 12, 48)
"""Five, fifteen, sixty and 240 minutes, in five-minute bars."""
WEIGHTS = (0.4, 0.3, 0.2, 0.1)
VOTE = 0.15
STOP_RANGES, TARGET_RANGES = 1.5, 3.0
ENTRIES = (9 * 60 + 35, 15 * 60 + 45)
FLAT_BY = 15 * 60 + 55

Trades = int
Rival = Callable[[Sequence[Bar]], Trades]


def frame_of(bars: Sequence[Bar]) -> pd.DataFrame:
    """Open, high, low, close in points and volume, by the bar's end in New York."""
    tick = float(ES.tick_size)
    rows = [
        (
            bar.open_ticks * tick,
            bar.high_ticks * tick,
            bar.low_ticks * tick,
            bar.close_ticks * tick,
            bar.volume,
        )
        for bar in bars
    ]
    ends = pd.to_datetime([bar.end_ns for bar in bars], utc=True).tz_convert(NEW_YORK).tz_localize(None)
    return pd.DataFrame(rows, columns=["Open", "High", "Low", "Close", "Volume"], index=ends)


def backtrader(bars: Sequence[Bar]) -> Trades:
    """One backtrader Cerebro with three resampled feeds; number of closed trades."""
    import backtrader as bt  # noqa: PLC0415 - an extra

    class Voting(bt.Strategy):  # type: ignore[misc]
        """Votes of four feeds, one bracket at a time."""

        def __init__(self) -> None:
            self.frames = [
                (
                    bt.indicators.ATR(data, period=20),
                    bt.indicators.Momentum(data, period=20),
                    bt.indicators.StdDev(data.close, period=15),
                    bt.indicators.Highest(data.high, period=8),
                    bt.indicators.Lowest(data.low, period=8),
                    bt.indicators.SMA(data.volume, period=10),
                )
                for data in self.datas
            ]
            self.closed = 0

        def notify_trade(self, trade: Any) -> None:
            """Counts round trips."""
            self.closed += trade.isclosed

        def next(self) -> None:
            """One five-minute bar."""
            moment = self.data.datetime.datetime(0)
            minute = moment.hour * 60 + moment.minute
            if self.position:
                if minute >= FLAT_BY:
                    self.close()
                return
            if not ENTRIES[0] <= minute < ENTRIES[1]:
                return
            vote = 0.0
            for data, weight, (atr, momentum, deviation, highest, lowest, volume) in zip(
                self.datas, WEIGHTS, self.frames, strict=True
            ):
                vote += weight * _vote(
                    data.close[0],
                    atr[0],
                    momentum[0],
                    deviation[0],
                    highest[0],
                    lowest[0],
                    data.volume[0],
                    volume[0],
                )
            away = self.frames[0][0][0]
            if abs(vote) > VOTE and away > 0:
                side = 1 if vote > 0 else -1
                price = self.data.close[0]
                enter = self.buy_bracket if side > 0 else self.sell_bracket
                enter(
                    exectype=bt.Order.Market,
                    stopprice=price - side * STOP_RANGES * away,
                    limitprice=price + side * TARGET_RANGES * away,
                )

    cerebro = bt.Cerebro()
    data = bt.feeds.PandasData(dataname=frame_of(bars), timeframe=bt.TimeFrame.Minutes, compression=5)
    cerebro.adddata(data)
    for factor in FACTORS[1:]:
        cerebro.resampledata(data, timeframe=bt.TimeFrame.Minutes, compression=5 * factor)
    cerebro.addstrategy(Voting)
    cerebro.broker.setcash(25_000)
    cerebro.broker.setcommission(commission=2.25, margin=1_000, mult=50.0)
    return int(cerebro.run()[0].closed)


def backtesting(bars: Sequence[Bar]) -> Trades:
    """One backtesting.py run; the longer timeframes are windows of as many base bars, computed at once."""
    from backtesting import Backtest, Strategy  # noqa: PLC0415 - an extra

    frame = frame_of(bars)
    minutes = [moment.hour * 60 + moment.minute for moment in pd.DatetimeIndex(frame.index)]

    class Voting(Strategy):  # type: ignore[misc]
        """The same votes over arrays."""

        def init(self) -> None:
            """Indicators, before the first bar."""
            self.vote = self.I(_votes, frame, plot=False)
            self.away = self.I(_true_range, frame, 20, plot=False)

        def next(self) -> None:
            """One five-minute bar."""
            minute = minutes[len(self.data) - 1]
            if self.position:
                if minute >= FLAT_BY:
                    self.position.close()
                return
            vote, away = self.vote[-1], self.away[-1]
            if ENTRIES[0] <= minute < ENTRIES[1] and abs(vote) > VOTE and away > 0:
                side = 1 if vote > 0 else -1
                price = self.data.Close[-1]
                enter = self.buy if side > 0 else self.sell
                enter(size=1, sl=price - side * STOP_RANGES * away, tp=price + side * TARGET_RANGES * away)

    run = Backtest(frame, Voting, cash=1_000_000, margin=0.05, trade_on_close=False, finalize_trades=True)
    return len(run.run()["_trades"])


def _vote(
    close: float,
    atr: float,
    momentum: float,
    deviation: float,
    highest: float,
    lowest: float,
    volume: float,
    mean_volume: float,
) -> float:
    height = highest - lowest
    if atr <= 0 or height <= 0 or mean_volume <= 0:
        return 0.0
    place = 2 * (close - lowest) / height - 1
    push = max(-1.0, min(1.0, momentum / (4 * atr)))
    calm = 1.0 if deviation < 0.3 * height else 0.7
    return calm * (0.5 * place + 0.5 * push) * min(volume / mean_volume, 1.5) / 1.5


def _votes(frame: pd.DataFrame) -> Any:
    total = np.zeros(len(frame))
    for factor, weight in zip(FACTORS, WEIGHTS, strict=True):
        close = frame["Close"]
        height = frame["High"].rolling(8 * factor).max() - frame["Low"].rolling(8 * factor).min()
        lowest = frame["Low"].rolling(8 * factor).min()
        place = 2 * (close - lowest) / height - 1
        push = ((close - close.shift(20 * factor)) / (4 * _true_range(frame, 20 * factor))).clip(-1, 1)
        calm = np.where(close.rolling(15 * factor).std() < 0.3 * height, 1.0, 0.7)
        volume = (frame["Volume"] / frame["Volume"].rolling(10 * factor).mean()).clip(upper=1.5) / 1.5
        total += weight * np.nan_to_num(calm * (0.5 * place + 0.5 * push) * volume)
    return total


def _true_range(frame: pd.DataFrame, bars: int) -> Any:
    before = frame["Close"].shift(1)
    high = frame["High"].where(frame["High"] > before, before)
    low = frame["Low"].where(frame["Low"] < before, before)
    return (high - low).rolling(bars).mean()


RIVALS: dict[str, Rival] = {"backtrader": backtrader, "backtesting": backtesting}
"""By the name of the package that has to be there."""
