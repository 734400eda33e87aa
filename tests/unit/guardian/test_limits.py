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


def test_limits_cannot_be_changed_once_read() -> None:
    """No reload and no bug raises a limit of a running guardian."""
    settings = GuardianSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.daily_loss_limit_usd = Decimal(500)
