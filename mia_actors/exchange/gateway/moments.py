"""Moments as clients write them in requests. Pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mia_actors.core.clock import time_ns_of

ALLOWED = "YYYYMMDD HH:MM:SS with a time zone, or YYYYMMDD-HH:MM:SS in UTC"


def moment_ns(text: str) -> int:
    """`20131008 09:30:00 US/Eastern` or `20131008-13:30:00`; without a zone it is UTC, the gateway's own.

    Raises:
        ValueError: no such moment or no such zone.
    """
    try:
        if text[8:9] == "-":
            moment = datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        else:
            day, clock, *zone = text.split()
            moment = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(
                tzinfo=ZoneInfo(zone[0]) if zone else UTC
            )
        return time_ns_of(moment)
    except (ValueError, KeyError, OSError, OverflowError) as error:
        raise ValueError(f"moment {text!r}: allowed: {ALLOWED}") from error
