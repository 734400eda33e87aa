"""The guardian's limits: what contradicts itself or is absurd does not start."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.guardian.limits import GuardianSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"daily_loss_limit_usd": Decimal(0)},
        {"daily_loss_limit_usd": Decimal(-200)},
        {"daily_loss_limit_usd": Decimal("500.01")},
        {"daily_loss_limit_usd": Decimal("NaN")},
        {"daily_loss_limit_usd": Decimal("Infinity")},
        {"account_balance_min_usd": Decimal(-1)},
        {"account_balance_min_usd": Decimal("NaN")},
        {"position_contracts_max": 0},
        {"position_contracts_max": 3},
        {"consecutive_losses_max": 0},
        {"consecutive_losses_pause_s": 0},
        {"consecutive_losses_pause_s": float("nan")},
        {"warning_share": float("nan")},
        {"critical_share": float("nan")},
        {"critical_share": 1.0},
        {"permit_ttl_s": 0},
        {"permit_ttl_s": float("inf")},
        {"daily_los_limit_usd": Decimal(100)},
        {"weekly_loss_usd": {"catastrophe": 0}},
        {"weekly_loss_usd": {"catastrophe": -700}},
        {"weekly_loss_usd": {"catastrophe": "NaN"}},
        {"weekly_loss_usd": {"halt": 700}},
        {"peak_drawdown_percent": {"warning": "100.01"}},
        {"spread_ticks": {"warning": 0}},
        {"news_times": ["2026-12-09T19:00:00"]},
        {"volume_window_s": 0},
        {"debounce_readings": 0},
    ],
    ids=str,
)
def test_a_limit_that_would_limit_nothing_is_refused(settings: dict[str, Any]) -> None:
    """Not positive, beyond the domain's hard limits (500 USD, 2 contracts), not a number, or misspelt."""
    with pytest.raises(ValidationError) as refused:
        GuardianSettings(**settings)
    assert next(iter(settings)) in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"daily_loss_limit_usd": Decimal(500), "position_contracts_max": 2},
        {"daily_loss_limit_usd": Decimal("0.01"), "consecutive_losses_max": 1},
        {"account_balance_min_usd": Decimal(0)},
    ],
    ids=str,
)
def test_the_hard_limits_themselves_are_allowed(settings: dict[str, Any]) -> None:
    accepted = GuardianSettings(**settings)
    assert {name: getattr(accepted, name) for name in settings} == settings


@pytest.mark.parametrize("warning_share", [0.8, 0.81])
def test_a_warning_that_comes_with_or_after_the_critical_level_is_refused(warning_share: float) -> None:
    with pytest.raises(ValidationError, match=r"warning_share 0\.8\d? must be below critical_share 0\.8"):
        GuardianSettings(warning_share=warning_share, critical_share=0.8)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"feed_stall_s": {"warning": 30, "critical": 10}},
            "feed_stall_s.*warning 30 must be below critical 10",
        ),
        (
            {"feed_stall_s": {"warning": 30, "catastrophe": 30}},
            "feed_stall_s.*warning 30 must be below catastrophe 30",
        ),
        (
            {"close_of_session_min": {"warning": 5, "critical": 15}},
            "close_of_session_min.*warning 5 must be above critical 15",
        ),
        ({"consecutive_losses_warning": 5}, "consecutive_losses: 5 must be below 5"),
        ({"consecutive_losses_catastrophe": 4}, "consecutive_losses: 5 must be below 4"),
        ({"trades_per_hour_critical": 9}, "trades_per_hour: 10 must be below 9"),
        ({"position_contracts_catastrophe": 2}, "position_contracts: 2 must be below 2"),
        ({"account_balance_critical_usd": 1000}, "account_balance: 1000 must be below 1000"),
        (
            {"account_balance_warning_usd": 2000, "account_balance_critical_usd": 3000},
            "account_balance: 3000 must be below 2000",
        ),
        (
            {"weekly_loss_usd": {"catastrophe": 199}},
            "weekly_loss_usd: catastrophe 199 must be at least daily_loss_limit_usd 200",
        ),
        (
            {"session_drawdown_usd": {"catastrophe": 300}, "peak_drawdown_usd": {"catastrophe": 299}},
            "peak_drawdown_usd: catastrophe 299 must be at least session_drawdown_usd 300",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){said}"):
        GuardianSettings(**settings)


def test_every_threshold_may_be_left_out() -> None:
    names = [
        name for name, field in GuardianSettings.model_fields.items() if "Thresholds" in str(field.annotation)
    ]
    nothing: dict[str, Any] = {name: {} for name in names}
    silent = GuardianSettings(**nothing)
    assert len(names) > 15
    assert not any(getattr(silent, name).in_use for name in names)


def test_limits_cannot_be_changed_once_read() -> None:
    """No reload and no bug raises a limit of a running guardian."""
    settings = GuardianSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.daily_loss_limit_usd = Decimal(500)
