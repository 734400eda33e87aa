"""Which expiry is traded. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from mia_actors.core.errors import PermanentError
from mia_actors.core.units import Contract


def front_contract(
    candidates: Sequence[Contract], *, today: date, roll_days: int, month: str | None
) -> Contract:
    """The month asked for, else the nearest expiry that is further away than `roll_days`, else the last.

    Raises:
        PermanentError: no candidate, or none of the month asked for.
    """
    live = sorted((one for one in candidates if _expiry(one) >= today), key=lambda one: one.expiry)
    if month is not None:
        named = [one for one in live if one.month == month]
        if not named:
            found = ", ".join(one.month for one in live) or "none"
            raise PermanentError(f"no contract of month {month}; the broker has: {found}")
        return named[0]
    if not live:
        raise PermanentError(f"the broker has no contract that has not expired on {today}")
    later = [one for one in live if _expiry(one) > today + timedelta(days=roll_days)]
    return later[0] if later else live[-1]


def _expiry(contract: Contract) -> date:
    return datetime.strptime(contract.expiry, "%Y%m%d").date()  # noqa: DTZ007 - a calendar day
