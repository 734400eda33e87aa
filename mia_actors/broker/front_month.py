"""Which expiry has the market's volume. Pure; asks no broker."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import Contract

Volumes = Mapping[int, Mapping[date, float]]
"""Contracts traded on each trade date, by `con_id`. An empty mapping: asked for, and unavailable."""


def front_by_volume(
    candidates: Sequence[Contract],
    volumes: Volumes,
    *,
    today: date,
    roll_days: int,
    expiry_days_min: int,
    traded_expiry: str | None = None,
) -> Contract:
    """The contract with the most volume on the last complete trade date; of equals the nearest.

    Complete are the trade dates before `today`; a later one is not read. The latest of them that any
    contract of `volumes` has is compared. Where a contract of `volumes` lacks that date, or is the only
    one, volumes are unavailable, never zero: then the nearest that expires more than `roll_days` after
    `today` is taken, and where there is none, the last.

    Args:
        candidates: the expiries the broker lists, in any order.
        volumes: of those that were asked for; what is listed but not asked for cannot win by volume.
        today: the trade date that begins.
        roll_days: calendar days before expiry, where volumes are unavailable.
        expiry_days_min: calendar days; what expires sooner is never taken.
        traded_expiry: `YYYYMMDD`; no earlier expiry than this is taken.

    Raises:
        ConfigError: nothing is left that may be traded.
    """
    earliest = max((today + timedelta(days=expiry_days_min)).strftime("%Y%m%d"), traded_expiry or "")
    ours = sorted((one for one in candidates if one.expiry >= earliest), key=lambda one: one.expiry)
    if not ours:
        listed = ", ".join(sorted(one.expiry for one in candidates)) or "none"
        raise ConfigError(
            f"no contract expires on or after {earliest} (listed: {listed}); "
            "check the instrument and the data subscriptions, or lower expiry_days_min"
        )
    asked = [one for one in ours if one.con_id in volumes]
    complete = [day for one in asked for day in volumes[one.con_id] if day < today]
    if len(asked) > 1 and complete and all(max(complete) in volumes[one.con_id] for one in asked):
        return max(asked, key=lambda one: volumes[one.con_id][max(complete)])
    from_day = (today + timedelta(days=roll_days)).strftime("%Y%m%d")
    return next((one for one in ours if one.expiry > from_day), ours[-1])
