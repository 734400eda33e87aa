"""Calling a side: the score against its threshold, and the words for it."""

import numpy as np

from mia_actors.core.features import EntryPlan, StrategyReading, VolatilityRegime
from mia_actors.core.kernel import kernel
from mia_actors.core.orders import Side

THRESHOLD_BY_REGIME = {
    VolatilityRegime.LOW: 0.20,
    VolatilityRegime.NORMAL: 0.25,
    VolatilityRegime.TRANSITIONING: 0.30,
    VolatilityRegime.HIGH: 0.35,
    VolatilityRegime.EXTREME: 0.50,
}
"""Domain section 6."""
THRESHOLDS = np.array([THRESHOLD_BY_REGIME[regime] for regime in VolatilityRegime])
"""The same by the regime's place among the regimes."""


@kernel
def side_called(score: float, threshold: float) -> int:
    """+1, -1, or 0 where the score is within the threshold."""
    return int(score > threshold) - int(score < -threshold)


def called(
    strategy: str,
    *,
    score: float,
    confidence: float,
    threshold: float,
    basis: str,
    plan: EntryPlan | None = None,
) -> StrategyReading:
    """A reading that calls the side on which the score is beyond the threshold, if it is; only then with its plan."""
    side = (None, Side.BUY, Side.SELL)[side_called(score, threshold)]
    verdict = f"{score:+.3f} beyond" if side else f"{score:+.3f} within"
    return StrategyReading(
        strategy=strategy,
        score=score,
        confidence=confidence,
        threshold=threshold,
        side=side,
        available=True,
        reason=f"{verdict} ±{threshold:.2f}; {basis}",
        plan=plan if side else None,
    )


def unavailable(strategy: str, *, threshold: float, missing: str) -> StrategyReading:
    """A reading that says which input it lacks; it calls no side."""
    return StrategyReading(
        strategy=strategy,
        score=0.0,
        confidence=0.0,
        threshold=threshold,
        side=None,
        available=False,
        reason=f"unavailable: {missing}",
    )
