"""Training samples from base bars: the signals of the decision core, labelled by what became of them. Pure.

A sample is every close of the entry timeframe within trading hours on which the strategies agree on a side,
before confluence, confidence, size and the ensemble have had their say: looser than the live gates, so that the
models see what they are to tell apart. Features come from the same producer as in service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from mia_actors.core.calendar import new_york, on_day
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.trade_date import NEW_YORK
from mia_actors.core.units import Product
from mia_actors.cycle.confidence import confidence
from mia_actors.cycle.ensemble_vector import ensemble_vector
from mia_actors.cycle.outcomes import LabelCosts, triple_barrier
from mia_actors.cycle.screen import places_decided
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.cycle.signal import Signal, find_signal
from mia_actors.cycle.trail import Trail
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.risk.brackets import bracket, planned

LABEL = (
    "triple barrier on the base bars: entry at the next open plus slippage, stop and target of the bracket "
    "rules (stop first when one bar touches both), else the close when the longest holding time or the day is over; "
    "good when the net result after slippage and commissions is positive"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleContext:
    """What the decision core saw besides the vector."""

    called: tuple[str, ...]
    """Strategies that called the side."""
    support: float
    coverage: float
    confidence: float
    volatility: str
    market: str
    trend: int
    """+1 with the trend of the market regime, -1 against it, 0 without one."""
    stop_ticks: int
    target_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One signal and its outcome."""

    vector: tuple[float, ...]
    event_time_ns: int
    label_end_ns: int
    side: Side
    net_usd: Decimal
    """Of one contract."""
    context: SampleContext | None = None
    """For those who look into what made the outcome; models do not."""

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
    tape = TapeFeatures(bars)
    found: list[Sample] = []
    for place in places_decided(tape, settings):
        features = {
            frame: one for frame in tape.by_timeframe if (one := tape.by_timeframe[frame].features_at(place))
        }
        end_ns = int(tape.base.starts_ns[place]) + bars[0].timeframe.ns
        signal = find_signal(loose, features, end_ns, Trail())
        if signal is not None:
            sample = _sample(
                tape, features, signal, int(place), bars[0].timeframe.ns, settings, product, costs
            )
            if sample is not None:
                found.append(sample)
    return found


def _sample(
    tape: TapeFeatures,
    features: Mapping[Timeframe, TimeframeFeatures],
    signal: Signal,
    place: int,
    base_ns: int,
    settings: DecisionSettings,
    product: Product,
    costs: LabelCosts,
) -> Sample | None:
    end_ns = int(tape.base.starts_ns[place]) + base_ns
    vector = ensemble_vector(
        features,
        settings.entry_timeframe,
        signal.context,
        side=signal.side,
        confluence=signal.support,
        event_time_ns=end_ns,
    )
    entry = features[settings.entry_timeframe]
    plans = (reading.plan for reading in signal.calling if reading.plan)
    distances = planned(bracket(entry, signal.side, signal.support), plans)
    if vector is None or distances.stop_ticks > settings.stop_ticks_max:
        return None
    outcome = triple_barrier(
        tape.base,
        base_ns,
        place,
        signal.side.sign,
        distances.stop_ticks,
        distances.target_ticks,
        horizon_ns(settings, end_ns),
        costs.slippage_ticks,
    )
    if outcome.end_ns < 0:
        return None
    return Sample(
        vector=vector.values,
        event_time_ns=end_ns,
        label_end_ns=int(outcome.end_ns),
        side=signal.side,
        net_usd=product.usd_of(int(outcome.ticks)) - 2 * costs.commission_usd_per_side,
        context=SampleContext(
            called=tuple(one.strategy for one in signal.calling),
            support=signal.support,
            coverage=signal.coverage,
            confidence=confidence(
                features, settings.entry_timeframe, signal.readings, signal.side, signal.support
            ),
            volatility=str(entry.volatility_regime or ""),
            market=str(entry.market_regime or ""),
            trend=entry.regime_direction * signal.side.sign,
            stop_ticks=distances.stop_ticks,
            target_ticks=distances.target_ticks,
        ),
    )


def horizon_ns(settings: DecisionSettings, time_ns: int) -> int:
    """When a position opened at a moment is closed at the latest, whatever it has done."""
    day = new_york(time_ns).date()
    flat_by_ns = time_ns_of(datetime.combine(day, on_day(settings.flat_by, day), NEW_YORK))
    return min(time_ns + settings.holding_minutes_max * 60 * NS_PER_S, flat_by_ns)
