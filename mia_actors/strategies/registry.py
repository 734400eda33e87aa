"""The strategies by name. A new one is one module with an `evaluate` and one line here."""

from collections.abc import Callable, Mapping, Sequence

from mia_actors.core.errors import ConfigError
from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies import battle_navale, mtf_confluence, smart_money

Strategy = Callable[[Mapping[Timeframe, TimeframeFeatures], Timeframe], StrategyReading]

STRATEGIES: dict[str, Strategy] = {
    battle_navale.NAME: battle_navale.evaluate,
    mtf_confluence.NAME: mtf_confluence.evaluate,
    smart_money.NAME: smart_money.evaluate,
}


def check_strategy_names(names: Sequence[str]) -> None:
    """Refuses a list of strategies that cannot run.

    Raises:
        ConfigError: no name, an unknown one, or one given twice; says which and what is allowed.
    """
    if not names:
        raise ConfigError(f"strategies: at least one is needed; allowed: {', '.join(STRATEGIES)}")
    for position, name in enumerate(names):
        if name not in STRATEGIES:
            raise ConfigError(f"strategies: {name!r} is not known; allowed: {', '.join(STRATEGIES)}")
        if name in names[:position]:
            raise ConfigError(f"strategies: {name!r} is given twice; name each strategy once")


def evaluate_strategies(
    names: Sequence[str], features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe
) -> tuple[StrategyReading, ...]:
    """One reading per name, in the order given; names were checked when the configuration was read.

    Raises:
        KeyError: an unchecked name is unknown.
    """
    return tuple(STRATEGIES[name](features, entry_timeframe) for name in names)
