"""Which executions a client asks for. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Self
from zoneinfo import ZoneInfo

from mia_actors.core.clock import time_ns_of
from mia_actors.core.orders import Side
from mia_actors.exchange.orders import Execution

MOMENT = re.compile(r"(\d{8})(?:-| {1,2})(\d{2}:\d{2}:\d{2})(?: (\S+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """The wire's filter; all of it must agree. Client 0, empty text and None stand for any."""

    client_id: int
    account: str
    from_ns: int | None
    """Executions of that very second are in: whoever asks from the last one it knows must lose none."""
    symbol: str
    security_type: str
    exchange: str
    side: Side | None

    @classmethod
    def parsed(cls, fields: Sequence[str]) -> Self:
        """The filter in the seven fields behind the request id.

        Raises:
            ValueError: a client id that is no number, or a time or side that is none.
        """
        client_id, account, moment, symbol, security_type, exchange, side = fields
        return cls(
            client_id=int(client_id or 0),
            account=account,
            from_ns=_moment_ns(moment) if moment else None,
            symbol=symbol,
            security_type=security_type,
            exchange=exchange,
            side=_side(side) if side else None,
        )

    def admits(
        self, execution: Execution, *, account: str, symbol: str, security_type: str, exchange: str
    ) -> bool:
        """Whether an execution of that contract and account is one that was asked for."""
        return (
            self.client_id in {0, execution.order.client_id}
            and self.account in {"", account}
            and (self.from_ns is None or execution.event_time_ns >= self.from_ns)
            and self.symbol in {"", symbol}
            and self.security_type in {"", security_type}
            and self.exchange in {"", exchange}
            and self.side in {None, execution.side}
        )


def _moment_ns(text: str) -> int:
    """`YYYYMMDD-HH:MM:SS` in UTC, or with a blank between and perhaps a time zone behind; UTC without one."""
    found = MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"time {text!r}: allowed: YYYYMMDD-HH:MM:SS (UTC), YYYYMMDD HH:MM:SS ZONE")
    day, clock, zone = found.groups()
    return time_ns_of(datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=_zone(zone)))


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:  # a name that is none may also lead to a folder
        raise ValueError(f"time zone {name!r} is not known") from error


def _side(text: str) -> Side:
    try:
        return Side(text)
    except ValueError:
        raise ValueError(f"side {text!r}: allowed: {', '.join(Side)}") from None
