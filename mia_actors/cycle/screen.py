"""Which gate says no, for every bar of a tape at once.

When an account is flat most bars end at a gate that looks at the calendar and at features alone. The screen runs
those gates over the whole tape: the same kernels that the strategies, the confluence, the confidence and the bracket
call one bar at a time, in the order of `DecisionCore`. Where it finds no gate shut, or cannot tell, the decision core
is asked.
"""

from datetime import date, timedelta
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.calendar import new_york, on_day, regular_hours_ns
from mia_actors.core.decisions import Outcome, Reason
from mia_actors.core.features import VolatilityRegime
from mia_actors.core.kernel import kernel
from mia_actors.core.market import FEATURE_TIMEFRAMES
from mia_actors.core.units import Product
from mia_actors.cycle.confidence import assemble
from mia_actors.cycle.integrity import STALE_NS
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.features.columns import FloatArray, IntArray
from mia_actors.features.readings import Records
from mia_actors.features.tape_features import BaseColumns, TapeFeatures, TimeframeTape
from mia_actors.risk.brackets import bracket_ticks
from mia_actors.strategies import battle_navale, mtf_confluence, smart_money
from mia_actors.strategies.confluence import WEIGHTS, weigh
from mia_actors.strategies.thresholds import THRESHOLDS, side_called

ASK = 0
"""The decision core has to be asked."""
GATES: tuple[tuple[Reason, Outcome], ...] = (
    (Reason.OUTSIDE_TRADING_HOURS, Outcome.NO_SIGNAL),
    (Reason.ENTRY_TIMEFRAME_OPEN, Outcome.NO_SIGNAL),
    (Reason.NO_STRATEGY_SIGNAL, Outcome.NO_SIGNAL),
    (Reason.STRATEGIES_DISAGREE, Outcome.REFUSED),
    (Reason.CONFLUENCE_COVERAGE, Outcome.REFUSED),
    (Reason.CONFLUENCE_TOO_LOW, Outcome.REFUSED),
    (Reason.CONFIDENCE_TOO_LOW, Outcome.REFUSED),
    (Reason.STOP_TOO_WIDE, Outcome.REFUSED),
    (Reason.RISK_REWARD_TOO_LOW, Outcome.REFUSED),
)
"""The gate of a code is the one at `code - 1`, with what a cycle that ends there counts as."""
OUTSIDE, OPEN, NO_SIGNAL, DISAGREE, COVERAGE, CONFLUENCE, CONFIDENCE, STOP, REWARD = range(1, len(GATES) + 1)
PLACES = {battle_navale.NAME: 0, mtf_confluence.NAME: 1, smart_money.NAME: 2}
"""The strategies it knows; with any other the decision core is asked at every bar of the entry timeframe."""
BATTLE, MTF, MONEY = PLACES.values()
KNOWN, INPUTS = len(PLACES), len(WEIGHTS)
VOLUME_PLACE, VWAP_PLACE, PATTERN_PLACE, MTF_PLACE, MONEY_PLACE = 1, 2, 3, 4, 5
"""In the order of `confluence.WEIGHTS`."""
PRICE_TICKS_MIN_MAX = 1, 10_000
BoolArray = NDArray[np.bool_]


class Voices(NamedTuple):
    """What each timeframe adds to the multi-timeframe score, [bars, timeframes]; a signal of NaN: nothing."""

    signals: FloatArray
    confidences: FloatArray


class Limits(NamedTuple):
    """The settings of the gates."""

    strategies: IntArray
    """Places of the strategies asked, in their order."""
    agree_min: int
    coverage_min: float
    confluence_min: float
    confidence_min: float
    stop_ticks_max: int
    reward_min: float


def screen(features: TapeFeatures, settings: DecisionSettings, product: Product) -> NDArray[np.int8]:
    """A code for each base bar: `ASK`, or the gate of `GATES` that is shut while the account is flat."""
    entry = features.by_timeframe.get(settings.entry_timeframe)
    if entry is None:
        return np.zeros(len(features.base.closes), dtype=np.int8)
    base = features.base
    base_ns = next(iter(features.by_timeframe)).ns
    codes = np.full(len(base.closes), OUTSIDE, dtype=np.int8)
    inside = _in_hours(base.starts_ns + base_ns, settings)
    codes[inside] = np.where(np.diff(entry.closed, prepend=0)[inside] > 0, ASK, OPEN)
    places = places_decided(features, settings)
    if len(places) and _knows(settings):
        own, voices = entry.records_at(places), _voices(features, places)
        weights = np.stack(
            [mtf_confluence.weights_of(regime, settings.entry_timeframe) for regime in VolatilityRegime]
        )
        codes[places] = _gates(own, voices, weights, _limits(settings))
    codes[_suspicious(base, base_ns, product)] = ASK
    return codes


def _knows(settings: DecisionSettings) -> bool:
    """Its gates are the core's: with other strategies, and without all timeframes together, they are not."""
    asked = set(settings.strategies)
    return asked <= set(PLACES) and mtf_confluence.NAME in asked and not settings.session_context


def places_decided(features: TapeFeatures, settings: DecisionSettings) -> IntArray:
    """Base bars within trading hours that close a bar of the entry timeframe, and not late."""
    entry = features.by_timeframe[settings.entry_timeframe]
    ends_ns = features.base.starts_ns + next(iter(features.by_timeframe)).ns
    places = np.flatnonzero(_in_hours(ends_ns, settings) & (np.diff(entry.closed, prepend=0) > 0))
    late_ns = ends_ns[places] - entry.ends_ns(entry.closed[places] - 1)
    return places[late_ns <= settings.entry_timeframe.ns]


def _limits(settings: DecisionSettings) -> Limits:
    return Limits(
        strategies=np.array([PLACES[name] for name in settings.strategies]),
        agree_min=settings.strategies_agree_min,
        coverage_min=settings.confluence_coverage_min,
        confluence_min=settings.confluence_min,
        confidence_min=settings.confidence_min,
        stop_ticks_max=settings.stop_ticks_max,
        reward_min=settings.risk_reward_min,
    )


def _in_hours(times_ns: IntArray, settings: DecisionSettings) -> BoolArray:
    """Moments at which entries are decided."""
    inside = np.zeros(len(times_ns), dtype=bool)
    if not len(times_ns):
        return inside
    day, last = new_york(int(times_ns[0])).date(), new_york(int(times_ns[-1])).date()
    while day <= last:
        hours = _hours_ns(day, settings)
        if hours is not None:
            inside[np.searchsorted(times_ns, hours[0]) : np.searchsorted(times_ns, hours[1])] = True
        day += timedelta(days=1)
    return inside


def _hours_ns(day: date, settings: DecisionSettings) -> tuple[int, int] | None:
    return regular_hours_ns(day, settings.entries_from, on_day(settings.entries_until, day))


def _suspicious(base: BaseColumns, base_ns: int, product: Product) -> BoolArray:
    """Bars that the integrity check may block, and those whose predecessor overlaps them."""
    least, most = (product.ticks_of(price) for price in PRICE_TICKS_MIN_MAX)
    wrong = (base.lows < least) | (base.highs > most)
    wrong |= (base.opens < least) | (base.opens > most) | (base.closes < least) | (base.closes > most)
    wrong |= base.lows > np.minimum(base.opens, base.closes)
    wrong |= base.highs < np.maximum(base.opens, base.closes)
    wrong[1:] |= np.diff(base.starts_ns) < base_ns
    return wrong


def _voices(features: TapeFeatures, places: IntArray) -> Voices:
    signals = np.full((len(places), len(FEATURE_TIMEFRAMES)), nan)
    confidences = np.zeros_like(signals)
    ends_ns = features.base.starts_ns[places] + next(iter(features.by_timeframe)).ns
    for column, timeframe in enumerate(FEATURE_TIMEFRAMES):
        tape = features.by_timeframe.get(timeframe)
        if tape is not None:
            _listen(tape, places, ends_ns, signals, confidences, column)
    return Voices(signals, confidences)


def _listen(
    tape: TimeframeTape,
    places: IntArray,
    ends_ns: IntArray,
    signals: FloatArray,
    confidences: FloatArray,
    column: int,
) -> None:
    """Fills one timeframe's column; a bar that is the last at many places is read once, a stale one is not heard."""
    heard = np.flatnonzero(tape.closed[places] > 0)
    ages_ns = ends_ns[heard] - tape.ends_ns(tape.closed[places[heard]] - 1)
    heard = heard[ages_ns <= tape.timeframe.ns + STALE_NS]
    if not len(heard):
        return
    _, first, inverse = np.unique(tape.closed[places[heard]], return_index=True, return_inverse=True)
    records = tape.records_at(places[heard[first]])
    said = np.zeros(len(records))
    _voice_confidences(records, said)
    signals[heard, column] = records["battle_signal"][inverse]
    confidences[heard, column] = said[inverse]


@kernel
def _voice_confidences(records: Records, out: FloatArray) -> None:
    for row in range(len(records)):
        record = records[row]
        out[row] = mtf_confluence.voice_confidence(
            record["base_quality"],
            record["bars_count"],
            record["volume_confirmation"],
            record["golden_rule_holds"] > 0,
        )


@kernel
def _gates(own: Records, voices: Voices, weights: FloatArray, limits: Limits) -> NDArray[np.int8]:
    codes = np.zeros(len(own), dtype=np.int8)
    for row in range(len(own)):
        codes[row] = _gate(own[row], voices.signals[row], voices.confidences[row], weights, limits)
    return codes


@kernel
def _gate(  # noqa: PLR0911 - one return for each gate
    own: np.void, signals: FloatArray, confidences: FloatArray, weights: FloatArray, limits: Limits
) -> int:
    """The first gate that is shut at one bar, in the order of `DecisionCore.signal` and what follows it."""
    scores, sure, sides = _readings(own, signals, confidences, weights, limits.strategies)
    buyers, sellers, calling = 0, 0, 0.0
    for place in limits.strategies:
        buyers += sides[place] > 0
        sellers += sides[place] < 0
        calling += sure[place] if sides[place] else 0.0
    if buyers + sellers == 0:
        return NO_SIGNAL
    if (buyers and sellers) or buyers + sellers < limits.agree_min:
        return DISAGREE
    side = 1 if buyers else -1
    value, coverage = weigh(_confluence_inputs(own, scores))
    if coverage < limits.coverage_min:
        return COVERAGE
    support = (side * value + 1) / 2
    if support < limits.confluence_min:
        return CONFLUENCE
    if isnan(scores[MTF]) or isnan(own["momentum"]) or isnan(own["volume_profile"]):
        return ASK
    if isnan(own["level_proximity"]) or isnan(own["regime_confidence"]):
        return ASK
    confidence = assemble(
        side, support, scores, calling / (buyers + sellers), own["regime_direction"], own["regime_confidence"]
    )
    if confidence < limits.confidence_min:
        return CONFIDENCE
    stop, target = bracket_ticks(
        int(own["market_regime"]),
        int(own["volatility_regime"]),
        own["base_quality"],
        own["base_low_ticks"],
        own["base_high_ticks"],
        own["atr_ticks"],
        own["close_ticks"],
        side,
        support,
    )
    if stop > limits.stop_ticks_max:
        return STOP
    return REWARD if target / stop < limits.reward_min else ASK


@kernel
def _readings(
    own: np.void, signals: FloatArray, confidences: FloatArray, weights: FloatArray, strategies: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Scores (NaN: unavailable or not asked), confidences and sides by place in `PLACES`."""
    scores, sure = np.full(KNOWN, nan), np.zeros(KNOWN)
    sides = np.zeros(KNOWN, dtype=np.int64)
    regime = own["volatility_regime"]
    for place in strategies:
        if place == MONEY:
            threshold = smart_money.THRESHOLD
            scores[place], sure[place] = own["flow_score"], own["flow_confidence"]
        elif isnan(regime):
            continue
        elif place == BATTLE:
            threshold = THRESHOLDS[int(regime)]
            scores[place], sure[place] = own["battle_signal"], own["battle_confidence"]
        else:
            threshold = mtf_confluence.THRESHOLD
            found = mtf_confluence.combine(weights[int(regime)], signals, confidences)
            if found.coverage >= mtf_confluence.COVERAGE_MIN:
                scores[place], sure[place] = found.score, found.quality
        sides[place] = side_called(scores[place], threshold)  # 0 for NaN: no comparison holds
    return scores, sure, sides


@kernel
def _confluence_inputs(own: np.void, scores: FloatArray) -> FloatArray:
    values = np.full(INPUTS, nan)
    values[VOLUME_PLACE] = own["volume_confirmation"]
    values[VWAP_PLACE] = own["vwap_trend"]
    values[PATTERN_PLACE] = own["pattern_strength"]
    values[MTF_PLACE] = scores[MTF]
    values[MONEY_PLACE] = own["flow_score"]
    return values
