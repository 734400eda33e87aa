"""On real bars every reading is sound and every strategy calls both sides."""

import math
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe
from mia_actors.features.stream import FeatureStream
from mia_actors.strategies.confluence import confluence
from mia_actors.strategies.registry import BUILT_IN, DEFAULT, evaluate_strategies

SHARED = Path(os.environ.get("MIA_SHARED", Path(__file__).parents[4] / "shared"))
TAPE = SHARED / "data" / "es_1m_2013_2020.parquet"
ENTRY = Timeframe.M5

pytestmark = pytest.mark.skipif(not TAPE.exists(), reason=f"needs the real tape {TAPE.name} in MIA_SHARED")


@pytest.fixture(scope="module")
def bars() -> list[Bar]:
    """The December 2013 contract on its eleven days of most volume."""
    table = pd.read_parquet(TAPE)
    table = table[(table["contract"] == "201312") & (table["ts"] < "2013-12-04")].sort_values("ts")
    starts_ns = [stamp.value for stamp in table["ts"].dt.as_unit("ns")]
    columns = [
        table[name].mul(scale).round().astype(int).tolist()
        for name, scale in (("open", 4), ("high", 4), ("low", 4), ("close", 4), ("volume", 1))
    ]
    return [
        Bar(
            instrument="ESZ3",
            timeframe=Timeframe.M1,
            start_ns=start_ns,
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=close,
            volume=volume,
        )
        for start_ns, opened, high, low, close, volume in zip(starts_ns, *columns, strict=True)
    ]


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1])
def test_readings_of_real_days_are_bounded_and_mostly_available(
    bars: list[Bar], timeframe: Timeframe
) -> None:
    """No reading is NaN or beyond its range."""
    stream = FeatureStream(timeframe)
    available: Counter[str] = Counter()
    evaluated = 0
    for bar in bars:
        features = stream.add(bar)
        if features is None:
            continue
        evaluated += 1
        values = asdict(features)
        for part in ("battle", "flow"):
            values |= {f"{part}.{name}": value for name, value in (values.pop(part) or {}).items()}
        for name, value in values.items():
            available[name] += value is not None
            if isinstance(value, float):
                assert math.isfinite(value), name
                if name not in {"atr_ticks", "volatility_ratio", "relative_volume"}:
                    assert -1 <= value <= 1, name
    shares = {name: round(count / evaluated, 3) for name, count in sorted(available.items())}
    sys.stdout.write(f"{timeframe}, {evaluated} bars, available: {shares}\n")
    for name in ("battle.signal", "flow.score", "momentum", "volume_confirmation", "volatility_regime"):
        assert shares[name] > 0.6, name


def test_every_strategy_calls_longs_and_shorts_on_real_days(bars: list[Bar]) -> None:
    """Neither side is rare: the less frequent is at least a third of the other."""
    streams = {timeframe: FeatureStream(timeframe) for timeframe in FEATURE_TIMEFRAMES}
    calls: Counter[str] = Counter()
    confluences: Counter[str] = Counter()
    evaluated = 0
    for bar in bars:
        closed = [timeframe for timeframe, stream in streams.items() if stream.feed(bar)]
        if ENTRY not in closed:
            continue
        evaluated += 1
        found = {timeframe: stream.current() for timeframe, stream in streams.items()}
        features = {timeframe: current for timeframe, current in found.items() if current is not None}
        readings = evaluate_strategies(tuple(BUILT_IN), features, ENTRY)
        calls.update(f"{reading.strategy} {reading.side}" for reading in readings if reading.side)
        joint = confluence(features, ENTRY, readings)
        confluences[f"coverage {joint.coverage:.2f}"] += 1
        confluences["long" if joint.value > 0.2 else "short" if joint.value < -0.2 else "neither"] += 1
    shares = {name: round(count / evaluated, 3) for name, count in sorted((calls + confluences).items())}
    sys.stdout.write(f"{evaluated} bars of {ENTRY}: {shares}\n")
    for name in BUILT_IN:
        longs, shorts = calls[f"{name} BUY"], calls[f"{name} SELL"]
        assert min(longs, shorts) > (0.02 if name in DEFAULT else 0.001) * evaluated, name
        assert min(longs, shorts) > max(longs, shorts) / 3, name
    assert min(confluences["long"], confluences["short"]) > 0.1 * evaluated
    assert confluences["coverage 0.70"] > 0.8 * evaluated
