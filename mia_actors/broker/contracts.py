"""Which expiry is traded. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import Contract


def front_contract(
    candidates: Sequence[Contract], *, today: date, roll_days: int, month: str | None
) -> Contract:
    """The month asked for (`YYYYMM`), else the nearest that expires more than `roll_days` after today.

    Where all are nearer than that, the last one: the broker lists what can be traded.

    Raises:
        ConfigError: no candidate, none of the month asked for, or more than one of it.
    """
    ours = sorted(candidates, key=lambda one: one.expiry)
    if not ours:
        raise ConfigError("the broker knows no such future; check the instrument and the data subscriptions")
    if month is None:
        from_day = (today + timedelta(days=roll_days)).strftime("%Y%m%d")
        later = [one for one in ours if one.expiry > from_day]
        month = (later[0] if later else ours[-1]).month
    named = [one for one in ours if one.month == month]
    if not named:
        months = ", ".join(one.month for one in ours)
        raise ConfigError(f"the broker has no contract of month {month}; allowed: {months}")
    if len(named) > 1:
        found = ", ".join(f"{one.con_id} ({one.expiry})" for one in named)
        raise ConfigError(f"month {month} is ambiguous: the broker has contracts {found}")
    return named[0]
