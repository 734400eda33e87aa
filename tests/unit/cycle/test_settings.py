from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.cycle.settings import DecisionSettings
from mia_actors.risk.sizing import RiskSettings


def test_the_defaults_are_on_the_safe_side() -> None:
    """Domain sections 11 and 20: confluence 0.60, R:R 1.5, stop 20, 20 trades, one contract, 500 USD."""
    found = DecisionSettings()
    assert found.confluence_min >= 0.60
    assert found.risk_reward_min >= 1.5
    assert found.stop_ticks_max <= 20
    assert found.trades_per_day_max <= 20
    assert found.entries_from >= time(9, 35)
    assert found.entries_until <= time(15, 45)
    assert found.flat_by < time(16, 0)
    assert found.risk.position_contracts_max == 1
    assert found.risk.risk_per_trade_usd_max <= 500
    assert found.risk.risk_per_trade_equity_max <= Decimal("0.01")
    assert found.risk.allowance_share_max <= Decimal("0.30")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"confluence_mn": 0.6}, "confluence_mn"),
        ({"risk": {"position_contracts_max": 3}}, "position_contracts_max"),
        ({"risk": {"kelly_fraction": 0.26}}, "kelly_fraction"),
        ({"risk": {"daily_allowance_usd": 501}}, "daily_allowance_usd"),
        ({"risk": {"risk_per_trade_usd_max": 0}}, "risk_per_trade_usd_max"),
        ({"risk": {"kelly": 1}}, "risk.kelly"),
        ({"confluence_min": 0.49}, "confluence_min"),
        ({"confluence_min": float("nan")}, "confluence_min"),
        ({"confidence_min": 1.0}, "confidence_min"),
        ({"risk_reward_min": 0.9}, "risk_reward_min"),
        ({"stop_ticks_max": 0}, "stop_ticks_max"),
        ({"strategies": ()}, "at least one is needed"),
        ({"strategies": ("battle_naval",)}, "'battle_naval' is not known"),
        ({"strategies": ("smart_money", "no.such")}, "'no.such' cannot be imported"),
        ({"allocation": {"trend": 0.5}}, "trend is not among the strategies; allowed: battle_navale"),
        ({"allocation": {"smart_money": 1.1}}, "allocation.smart_money"),
        ({"strategies_agree_min": 4}, "strategies_agree_min 4 is more than there are strategies"),
        ({"entry_timeframe": "7m"}, "entry_timeframe"),
        ({"entries_from": "15:45"}, "entries_from must be before entries_until"),
        ({"entries_until": "15:56"}, "not after flat_by"),
        ({"flat_by": "15:44"}, "not after flat_by"),
    ],
)
def test_what_is_unknown_absurd_or_contradictory_is_refused_by_name(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        DecisionSettings.model_validate(changes)


@pytest.mark.parametrize("flat_by", ["17:00", "18:30", "23:59"])
def test_a_position_may_not_outlive_the_session_by_configuration(flat_by: str) -> None:
    """Globex closes at 17:00 New York: a later limit, or one at the close itself, can never be kept."""
    with pytest.raises(ValidationError, match="flat_by"):
        DecisionSettings.model_validate({"flat_by": flat_by})


def test_a_settings_file_s_text_is_read() -> None:
    found = DecisionSettings.model_validate(
        {"entry_timeframe": "15m", "flat_by": "15:50", "risk": {"kelly_fraction": 0.15}}
    )
    assert (found.entry_timeframe.value, found.flat_by, found.risk.kelly_fraction) == (
        "15m",
        time(15, 50),
        0.15,
    )


@pytest.mark.parametrize("settings", [DecisionSettings(), RiskSettings()])
def test_settings_do_not_change_while_trading(settings: DecisionSettings | RiskSettings) -> None:
    name = next(iter(type(settings).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, name, getattr(settings, name))
