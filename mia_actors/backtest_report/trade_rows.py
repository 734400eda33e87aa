"""Every trade with what the ledger, the stored decisions and the bars say of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.backtest_report.excursions import Excursions, excursions
from mia_actors.core.decisions import Decision
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Purpose, decision_time_ns
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.exchange.tape import Tape
from mia_actors.features.tape_features import TimeframeTape, base_columns

UNKNOWN = "unknown"
PURPOSE_PLACE = 3
"""Of the parts of an order reference."""
SAID_OF_PURPOSE = {
    Purpose.STOP: "the protective stop was reached",
    Purpose.TARGET: "the profit target was traded through",
    Purpose.HALT: "the guardian closed the position",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow:
    """One round trip and its story."""

    number: int
    trade: ClosedTrade
    excursions: Excursions
    exit_reason: str
    """`stop`, `target`, `halt`, or the reason of the decision that closed it."""
    exit_detail: str
    strategies: tuple[str, ...]
    """Those that called the side when the entry was decided."""
    entry_detail: str
    """The sentence of the decision that entered."""
    volatility: str
    """Regime on the entry timeframe when the entry was decided."""
    market: str

    @property
    def ticks(self) -> Decimal:
        """Result of one contract before commissions."""
        return self.trade.side.sign * (self.trade.exit_price_ticks - self.trade.entry_price_ticks)


def trade_rows(
    trades: Iterable[ClosedTrade], decisions: Iterable[Decision], tape: Tape, entry_timeframe: Timeframe
) -> tuple[TradeRow, ...]:
    """Rows in the order of `trades`."""
    decided = {decision.event_time_ns: decision for decision in decisions}
    regimes = _Regimes(tape, entry_timeframe)
    return tuple(
        _row(number, trade, decided, regimes, tape.bars) for number, trade in enumerate(trades, start=1)
    )


def _row(
    number: int,
    trade: ClosedTrade,
    decided: Mapping[int, Decision],
    regimes: "_Regimes",
    bars: Sequence[Bar],
) -> TradeRow:
    entered_ns = decision_time_ns(trade.entry_ref)
    entry = None if entered_ns is None else decided.get(entered_ns)
    seen = None if entered_ns is None else regimes.features_at(entered_ns)
    reason, detail = _exit(trade, decided)
    return TradeRow(
        number=number,
        trade=trade,
        excursions=excursions(trade, bars),
        exit_reason=reason,
        exit_detail=detail,
        strategies=tuple(
            reading.strategy for reading in (entry.readings if entry else ()) if reading.side is trade.side
        ),
        entry_detail=entry.detail if entry else "",
        volatility=seen.volatility_regime.value if seen and seen.volatility_regime else UNKNOWN,
        market=seen.market_regime.value if seen and seen.market_regime else UNKNOWN,
    )


def _exit(trade: ClosedTrade, decided: Mapping[int, Decision]) -> tuple[str, str]:
    parts = trade.exit_ref.split(".")
    purpose = parts[PURPOSE_PLACE] if len(parts) > PURPOSE_PLACE else UNKNOWN
    if purpose in SAID_OF_PURPOSE:
        return purpose, SAID_OF_PURPOSE[Purpose(purpose)]
    moment = decision_time_ns(trade.exit_ref)
    decision = None if moment is None else decided.get(moment)
    if decision is None or decision.reason is None:
        return purpose, ""
    return decision.reason.value, decision.detail


class _Regimes:
    """Features of the entry timeframe as of a base bar: the same kernels the decision was made with."""

    def __init__(self, tape: Tape, timeframe: Timeframe) -> None:
        bars = (*tape.history, *tape.bars)
        base_ns = tape.base_timeframe.ns
        self._features = (
            TimeframeTape(timeframe, base_columns(bars), base_ns) if timeframe.ns >= base_ns else None
        )
        self._places = {bar.end_ns: place for place, bar in enumerate(bars)}

    def features_at(self, end_ns: int) -> TimeframeFeatures | None:
        """As of the base bar that ends then; None where there is none, or no closed bar of the timeframe."""
        place = self._places.get(end_ns)
        return None if place is None or self._features is None else self._features.features_at(place)
