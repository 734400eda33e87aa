"""The strategies by name, and those that users bring: one module each, one word in supervision.yaml."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module

from mia_actors.core.errors import ConfigError
from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import (
    battle_navale,
    elite_patterns,
    mtf_confluence,
    range_edges,
    smart_money,
    trend,
)
from mia_actors.strategies.thresholds import unavailable

Strategy = Callable[[Mapping[Timeframe, TimeframeFeatures], Timeframe], StrategyReading]

BUILT_IN: dict[str, Strategy] = {
    module.NAME: module.evaluate
    for module in (battle_navale, mtf_confluence, smart_money, trend, range_edges, elite_patterns)
}
DEFAULT = (battle_navale.NAME, mtf_confluence.NAME, smart_money.NAME)


def check_strategy_names(names: Sequence[str]) -> None:
    """Refuses a list of strategies that cannot run; modules named in it are imported.

    Raises:
        ConfigError: no name, an unknown one, one given twice, or a module that is not a strategy; says which and
            what is allowed.
    """
    if not names:
        raise ConfigError(f"strategies: at least one is needed; allowed: {_allowed()}")
    for position, name in enumerate(names):
        strategy_named(name)
        if name in names[:position]:
            raise ConfigError(f"strategies: {name!r} is given twice; name each strategy once")


@cache
def strategy_named(name: str) -> Strategy:
    """A built-in strategy by its name, or the `evaluate` of a module by its dotted path.

    Raises:
        ConfigError: there is no such strategy, or the module cannot be imported or has no `evaluate`.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if "." not in name:
        raise ConfigError(f"strategies: {name!r} is not known; allowed: {_allowed()}")
    try:
        module = import_module(name)
    except Exception as error:  # whatever the module does when it is imported
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"strategies: {name!r} cannot be imported ({said}); allowed: {_allowed()}"
        ) from error
    strategy = getattr(module, "evaluate", None)
    if not callable(strategy):
        raise ConfigError(
            f"strategies: the module {name!r} has no function `evaluate`; see docs/strategies.md"
        )
    return _guarded(name, strategy)


def evaluate_strategies(
    names: Sequence[str], features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe
) -> tuple[StrategyReading, ...]:
    """One reading per name, in the order given.

    Raises:
        ConfigError: an unchecked name is not a strategy.
    """
    return tuple(strategy_named(name)(features, entry_timeframe) for name in names)


def _allowed() -> str:
    return f"{', '.join(BUILT_IN)}, or the dotted path of an importable module"


def _guarded(name: str, strategy: Strategy) -> Strategy:
    """A user's strategy that carries its own name, and is unavailable where it fails or says nonsense."""

    def evaluate(
        features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe
    ) -> StrategyReading:
        try:
            reading = strategy(features, entry_timeframe)
            wrong = _nonsense(reading)
        except Exception as error:  # noqa: BLE001 - an error of any kind is no signal, and says so
            wrong = f"{type(error).__name__}: {error}"
        if wrong is not None:
            return unavailable(name, threshold=1.0, missing=wrong)
        return replace(reading, strategy=name)

    return evaluate


def _nonsense(reading: object) -> str | None:
    """What is wrong with a reading, if anything; comparisons with NaN do not hold and are wrong, too."""
    if not isinstance(reading, StrategyReading):
        return f"`evaluate` gave a {type(reading).__name__}, not a StrategyReading"
    score, threshold, side = reading.score, reading.threshold, reading.side
    beyond = Side.BUY if score > threshold else Side.SELL if score < -threshold else None
    checks = (
        (-1 <= score <= 1, f"score {score} is not in [-1, 1]"),
        (0 <= reading.confidence <= 1, f"confidence {reading.confidence} is not in [0, 1]"),
        (threshold >= 0, f"threshold {threshold} is below 0"),
        (side is None or reading.available, "it calls a side although it is unavailable"),
        (side in {None, beyond}, f"it calls {side} at a score of {score} and a threshold of {threshold}"),
    )
    return next((said for holds, said in checks if not holds), None)
