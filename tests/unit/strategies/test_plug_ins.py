"""Strategies that users bring."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import nan
from types import ModuleType
from typing import Any

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies.registry import check_strategy_names, evaluate_strategies, strategy_named
from mia_actors.strategies.thresholds import called

MakeFeatures = Callable[..., TimeframeFeatures]
M5 = Timeframe.M5
PATH = "examples.my_strategy"
SOUND = called("x", score=0.5, confidence=0.5, threshold=0.2, basis="")


@pytest.fixture
def bring() -> Iterator[Callable[[object], str]]:
    """Makes a module importable whose `evaluate` is what the test gives."""
    names: list[str] = []

    def make(evaluate: object) -> str:
        name = f"brought.number_{len(names)}"
        module = ModuleType(name)
        if evaluate is not None:
            module.evaluate = evaluate  # type: ignore[attr-defined]
        sys.modules[name] = module
        names.append(name)
        return name

    sys.modules["brought"] = ModuleType("brought")
    yield make
    for name in (*names, "brought"):
        del sys.modules[name]
    strategy_named.cache_clear()


def test_a_module_is_a_strategy_under_its_own_path(make_features: MakeFeatures) -> None:
    check_strategy_names(("battle_navale", PATH))
    found = evaluate_strategies(
        ("battle_navale", PATH), {M5: make_features(momentum=-0.4, regime_direction=-1)}, M5
    )[1]
    assert (found.strategy, found.side, found.score) == (PATH, Side.SELL, -0.4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no.such.module",
            r"'no\.such\.module' cannot be imported \(ModuleNotFoundError: .*; allowed: battle_n",
        ),
        ("mia_actors.strategies.thresholds", "has no function `evaluate`"),
        ("momentum", "'momentum' is not known; allowed: .* or the dotted path of an importable module"),
        ("..", "cannot be imported"),
    ],
)
def test_what_is_no_strategy_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_strategy_names((name,))


def test_a_strategy_that_fails_is_unavailable_and_says_why(
    make_features: MakeFeatures, bring: Callable[[object], str]
) -> None:
    def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry: Timeframe) -> StrategyReading:
        raise ZeroDivisionError("range of nothing")

    name = bring(evaluate)
    (found,) = evaluate_strategies((name,), {M5: make_features()}, M5)
    assert not found.available
    assert found.side is None
    assert found.reason == "unavailable: ZeroDivisionError: range of nothing"


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (None, "gave a NoneType"),
        (replace(SOUND, score=1.5), "score 1.5 is not in"),
        (replace(SOUND, score=nan), "score nan is not in"),
        (replace(SOUND, confidence=-0.1), "confidence -0.1"),
        (replace(SOUND, threshold=nan), "threshold nan"),
        (replace(SOUND, available=False), "although it is unavailable"),
        (replace(SOUND, side=Side.SELL), "it calls SELL at a score of 0.5"),
        (replace(SOUND, threshold=0.5), "it calls BUY at a score of 0.5 and a threshold of 0.5"),
    ],
)
def test_a_reading_that_makes_no_sense_is_unavailable(
    make_features: MakeFeatures, bring: Callable[[object], str], reading: Any, said: str
) -> None:
    (found,) = evaluate_strategies((bring(lambda *_: reading),), {M5: make_features()}, M5)
    assert (found.available, found.side) == (False, None)
    assert said in found.reason
