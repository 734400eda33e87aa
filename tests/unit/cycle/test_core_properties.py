"""The whole decision core over bars: mirrored markets, both directions, nothing missing, nothing from outside."""

import ast
import inspect
import os
import pkgutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.decisions import Decision
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, DecisionCore
from mia_actors.cycle.screen import places_decided
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.strategies.registry import BUILT_IN
from tests.unit.cycle.situations import HEARD, cycle_inputs, long_market, mirrored, new_york_ns

LOOSE: dict[str, Any] = {
    "strategies_agree_min": 1,
    "confluence_min": 0.5,
    "confluence_coverage_min": 0.0,
    "confidence_min": 0.0,
    "stop_ticks_max": 80,
    "risk_reward_min": 1.0,
}
EVERY_STRATEGY = DecisionSettings(strategies=tuple(BUILT_IN), **LOOSE)
LONE = {name: DecisionSettings(strategies=(name,), **LOOSE) for name in BUILT_IN}
MIRROR = 40_000
Found = Decision | Candidate


def _mirror(bar: Bar) -> Bar:
    return replace(
        bar,
        open_ticks=MIRROR - bar.open_ticks,
        high_ticks=MIRROR - bar.low_ticks,
        low_ticks=MIRROR - bar.high_ticks,
        close_ticks=MIRROR - bar.close_ticks,
    )


def _decided(bars: Sequence[Bar], settings: DecisionSettings) -> Iterator[Found]:
    """What a flat account's core says at each close of the entry timeframe within hours."""
    core, tape = DecisionCore(settings, ES), TapeFeatures(bars)
    for place in places_decided(tape, settings):
        features = {
            frame: one for frame in tape.by_timeframe if (one := tape.by_timeframe[frame].features_at(place))
        }
        bar = bars[place]
        flat = cycle_inputs()
        yield core.propose(
            replace(flat, bar=bar, previous_bar=bars[place - 1] if place else None, features=features)
        )


def _in_words(found: Found) -> tuple[object, ...]:
    """All of it but the side, and with its side: what a mirror must keep, and what it must turn round."""
    if isinstance(found, Decision):
        scores = tuple(reading.score for reading in found.readings)
        return (found.outcome, found.reason, tuple(gate.passed for gate in found.gates), scores)
    proposal = found.proposal
    return (replace(proposal, side=proposal.side.opposite), tuple(gate.passed for gate in found.trail.gates))


def _assert_mirrored(one: Found, other: Found) -> None:
    if isinstance(one, Candidate):
        assert isinstance(other, Candidate)
        assert _in_words(one)[0] == other.proposal
        return
    outcome, reason, passed, scores = _in_words(one)
    assert _in_words(other)[:3] == (outcome, reason, passed)
    assert _in_words(other)[3] == tuple(-score for score in scores)  # type: ignore[attr-defined]


def _walk(seed: int, count: int) -> list[Bar]:
    draw = seeded_random(seed)
    price, drift, bars = 20_000, 0, []
    for number in range(count):
        drift = draw.randint(-2, 2) if number % 40 == 0 else drift
        opened = price + draw.randint(-2, 2)
        price = opened + drift + draw.randint(-5, 5)
        bars.append(
            Bar(
                instrument="ESH6",
                timeframe=Timeframe.M5,
                start_ns=new_york_ns("2026-03-09T18:00") + number * Timeframe.M5.ns,
                open_ticks=opened,
                high_ticks=max(opened, price) + draw.randint(0, 3),
                low_ticks=min(opened, price) - draw.randint(0, 3),
                close_ticks=price,
                volume=draw.randint(0, 5000),
            )
        )
    return bars


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from([*BUILT_IN, "every strategy"]))
def test_a_mirrored_market_gets_the_mirrored_decisions(seed: int, name: str) -> None:
    bars = _walk(seed, 270)
    chosen = LONE.get(name, EVERY_STRATEGY)
    here, there = _decided(bars, chosen), _decided([_mirror(bar) for bar in bars], chosen)
    for one, other in zip(here, there, strict=True):
        _assert_mirrored(one, other)


def _real_days() -> tuple[Bar, ...]:
    shared = Path(os.environ.get("MIA_SHARED", Path(__file__).parents[4] / "shared"))
    source = shared / "data" / "es_1m_2013_2020.parquet"
    if not source.exists():
        pytest.skip(f"needs the real tape {source.name} in MIA_SHARED")
    tape = load_tape(
        TapeSelection(
            source=str(source),
            from_ns=new_york_ns("2013-10-06T18:00"),
            to_ns=new_york_ns("2013-10-18T17:00"),
            history_days=3,
        )
    )
    return (*tape.history, *tape.bars)


def test_real_days_and_their_mirror_image_get_mirrored_decisions_of_both_directions() -> None:
    bars = _real_days()
    sides: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    here = _decided(bars, EVERY_STRATEGY)
    there = _decided([_mirror(bar) for bar in bars], EVERY_STRATEGY)
    for one, other in zip(here, there, strict=True):
        _assert_mirrored(one, other)
        if isinstance(one, Candidate):
            sides[one.proposal.side.value] += 1
        else:
            reasons[str(one.reason)] += 1
    assert min(sides["BUY"], sides["SELL"]) > max(sides["BUY"], sides["SELL"]) / 3, sides
    assert reasons["no_strategy_signal"] > 0


READINGS = [
    field.name
    for field in fields(TimeframeFeatures)
    if field.name not in {"timeframe", "as_of_ns", "bars_count", "close_ticks", "regime_direction"}
]
NEEDED = {
    "volatility_regime", "market_regime", "regime_confidence", "battle", "momentum", "volume_profile",
    "level_proximity",
}  # fmt: skip
"""Without these of the entry timeframe nothing can be proposed; confluence does without the others (section 2.2)."""


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_that_is_missing_is_never_taken_for_a_neutral_one(name: str) -> None:
    found = DecisionCore(DecisionSettings(), ES).propose(cycle_inputs(long_market(**{name: None})))
    whole = DecisionCore(DecisionSettings(), ES).propose(cycle_inputs())
    assert isinstance(whole, Candidate)
    if isinstance(found, Decision):
        assert found.target is None
        assert found.detail
    else:
        assert name not in NEEDED
        assert found.proposal.coverage <= whole.proposal.coverage


@pytest.mark.parametrize("side", ["long", "short"])
def test_timeframes_that_fell_silent_are_not_heard(side: str) -> None:
    """Two of four silent for more than five minutes over their length: the rest carries too little of the weight."""
    market = long_market()
    if side == "short":
        market = {frame: mirrored(one) for frame, one in market.items()}
    whole = cycle_inputs(market)
    silent = {
        frame: replace(one, as_of_ns=one.as_of_ns - frame.ns - 301 * 10**9) if frame in HEARD[1:] else one
        for frame, one in whole.features.items()
    }
    found = DecisionCore(
        DecisionSettings(strategies=("mtf_confluence",), strategies_agree_min=1), ES
    ).propose(replace(whole, features=silent))
    assert isinstance(found, Decision)
    assert "unavailable: timeframes with data carry" in found.detail
    assert isinstance(DecisionCore(DecisionSettings(), ES).propose(whole), Candidate)


OUTSIDE = {"random", "secrets", "time", "uuid", "os", "socket", "requests"}
DECIDING = ("mia_actors.features", "mia_actors.strategies", "mia_actors.risk")
MODULES = sorted(
    {
        f"{package}.{found.name}"
        for package in DECIDING
        for found in pkgutil.iter_modules(import_module(package).__path__)
    }
    | {
        f"mia_actors.cycle.{name}"
        for name in ("decision", "inputs", "proposal", "signal", "trail", "integrity", "confidence", "screen")
    }
)


@pytest.mark.parametrize("name", [one for one in MODULES if not one.endswith(".actor")])
def test_what_decides_reads_no_clock_and_draws_nothing(name: str) -> None:
    tree = ast.parse(inspect.getsource(import_module(name)))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        (node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not imported & OUTSIDE
    assert not asked & {"now", "utcnow", "today", "default_rng", "random", "SystemClock"}
