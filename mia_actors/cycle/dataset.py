"""Training samples from base bars: the signals of the decision core, labelled by what became of them. Pure.

A sample is every close of the entry timeframe within trading hours on which the strategies agree on a side,
before confluence, confidence, size and the ensemble have had their say: looser than the live gates, so that the
models see what they are to tell apart. Features come from the same producer as in service.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from mia_actors.core.calendar import is_regular_hours, new_york, on_day
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe, timeframes_closed_by
from mia_actors.core.orders import Side
from mia_actors.core.trade_date import NEW_YORK
from mia_actors.core.units import Product
from mia_actors.cycle.decision import DecisionCore, Signal
from mia_actors.cycle.ensemble_vector import ensemble_vector
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.features.stream import FeatureStream
from mia_actors.risk.brackets import Bracket, bracket

LABEL = (
    "triple barrier on the base bars: entry at the next open plus slippage, stop and target of the bracket "
    "rules (stop first when one bar touches both), else the close when the longest holding time or the day is over; "
    "good when the net result after slippage and commissions is positive"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCosts:
    """What a trade costs; the same as the simulated exchange takes."""

    slippage_ticks: int = 1
    commission_usd_per_side: Decimal = Decimal("2.25")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One signal and its outcome."""

    vector: tuple[float, ...]
    event_time_ns: int
    label_end_ns: int
    side: Side
    net_usd: Decimal
    """Of one contract."""

    @property
    def is_good(self) -> bool:
        """Positive after costs."""
        return self.net_usd > 0


def samples_of(
    bars: Sequence[Bar], *, settings: DecisionSettings, product: Product, costs: LabelCosts
) -> list[Sample]:
    """Samples of one contract in order of time; a signal whose outcome lies beyond the bars is left out."""
    loose = settings.model_copy(
        update={"strategies_agree_min": 1, "confluence_min": 0.5, "confluence_coverage_min": 0.0}
    )
    core = DecisionCore(loose, product)
    streams = {
        frame: FeatureStream(frame) for frame in FEATURE_TIMEFRAMES if frame.ns >= bars[0].timeframe.ns
    }
    found: list[Sample] = []
    previous: Bar | None = None
    for index, bar in enumerate(bars):
        for stream in streams.values():
            stream.feed(bar)
        closed = timeframes_closed_by(previous.start_ns if previous else None, bar)
        previous = bar
        if settings.entry_timeframe not in closed:
            continue
        until = on_day(settings.entries_until, new_york(bar.end_ns).date())
        if not is_regular_hours(bar.end_ns, settings.entries_from, until):
            continue
        features = {frame: one for frame, stream in streams.items() if (one := stream.current()) is not None}
        sample = _sample(core, features, bars, index, settings=settings, product=product, costs=costs)
        if sample is not None:
            found.append(sample)
    return found


def _sample(
    core: DecisionCore,
    features: dict[Timeframe, TimeframeFeatures],
    bars: Sequence[Bar],
    index: int,
    *,
    settings: DecisionSettings,
    product: Product,
    costs: LabelCosts,
) -> Sample | None:
    signal = core.signal(features)
    if not isinstance(signal, Signal):
        return None
    bar = bars[index]
    vector = ensemble_vector(
        features,
        settings.entry_timeframe,
        signal.readings,
        side=signal.side,
        confluence=signal.support,
        event_time_ns=bar.end_ns,
    )
    if vector is None:
        return None
    distances = bracket(features[settings.entry_timeframe], signal.side, signal.support)
    if distances.stop_ticks > settings.stop_ticks_max:
        return None
    horizon_ns = min(bar.end_ns + settings.holding_minutes_max * 60 * NS_PER_S, _flat_by_ns(settings, bar))
    outcome = _outcome(bars, index, signal.side, distances, horizon_ns, costs)
    if outcome is None:
        return None
    ticks, end_ns = outcome
    return Sample(
        vector=vector.values,
        event_time_ns=bar.end_ns,
        label_end_ns=end_ns,
        side=signal.side,
        net_usd=product.usd_of(ticks) - 2 * costs.commission_usd_per_side,
    )


def _flat_by_ns(settings: DecisionSettings, bar: Bar) -> int:
    """When live a position of that day is closed whatever it has done."""
    day = new_york(bar.end_ns).date()
    return time_ns_of(datetime.combine(day, on_day(settings.flat_by, day), NEW_YORK))


def _outcome(
    bars: Sequence[Bar], index: int, side: Side, distances: Bracket, horizon_ns: int, costs: LabelCosts
) -> tuple[int, int] | None:
    """Ticks won and the time it was known; None when the bars end first."""
    if index + 1 >= len(bars):
        return None
    sign = side.sign
    close = bars[index].close_ticks
    entry = bars[index + 1].open_ticks + sign * costs.slippage_ticks
    stop, goal = close - sign * distances.stop_ticks, close + sign * distances.target_ticks
    for bar in _following(bars, index + 1):
        low, high = (bar.low_ticks, bar.high_ticks) if side is Side.BUY else (-bar.high_ticks, -bar.low_ticks)
        if low <= sign * stop:
            worse = min(sign * stop, sign * bar.open_ticks)
            return worse - costs.slippage_ticks - sign * entry, bar.end_ns
        if high > sign * goal:
            return sign * (goal - entry), bar.end_ns
        if bar.end_ns >= horizon_ns:
            return sign * (bar.close_ticks - entry) - costs.slippage_ticks, bar.end_ns
    return None


def _following(bars: Sequence[Bar], start: int) -> Iterable[Bar]:
    for index in range(start, len(bars)):
        yield bars[index]
