"""What a guardian must not forget and cannot learn again from the broker; a fact in the latch's store.

A broker lists the executions of a day, or of the days since its own restart. The week's profit before that, an open
position's entry, the highest profit ever and a pause in progress would be lost with the process.
"""

from dataclasses import dataclass
from decimal import Decimal

from pydantic import ValidationError

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.errors import ConfigError
from mia_actors.core.orders import Fill

VERSION = 1
CONTRACT_MONTH = "contract_month"
"""Fact: month of the contract traded last, for whoever must halt without a session's word."""
ZERO_USD = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """How much worse than its reference price an execution was."""

    event_time_ns: int
    stem: str
    ticks: int | None
    """Positive: worse. None: there was no price to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHeard:
    """An order of another client, and whether it was refused."""

    arrival_ns: int
    key: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of one account. Fills up to `folded_until_ns` are in `carried_usd` alone; the account was flat then."""

    version: int = VERSION
    carried_usd: Decimal = ZERO_USD
    """Realised by the fills that are not kept any more."""
    carried_peak_usd: Decimal = ZERO_USD
    """The highest realised profit until then, at least 0."""
    folded_until_ns: int = -1
    fills: tuple[Fill, ...] = ()
    """Of the trade week, and those before it that the account was not flat after."""
    volume_pause_until_ns: int = 0
    slips: tuple[Slip, ...] = ()
    orders: tuple[OrderHeard, ...] = ()

    @property
    def text(self) -> str:
        """As `remembered` reads it."""
        return to_json(self)


def memory_fact(scope: str) -> str:
    """Name of the fact: one memory for each scope, a real account or a replayed session."""
    return f"memory.{scope}"


def remembered(text: str | None) -> Memory:
    """The memory that was written; an empty one where there never was one.

    Raises:
        ConfigError: it is damaged or of another version: whoever asked must take that for a halt.
    """
    if text is None:
        return Memory()
    remedy = "look at the account, then remove guardian.db* from the state directory to begin anew"
    try:
        found = from_json(Memory, text)
    except ValidationError as error:
        raise ConfigError(
            f"the guardian's memory is damaged ({error.error_count()} errors): {remedy}"
        ) from error
    if found.version != VERSION:
        raise ConfigError(f"the guardian's memory has version {found.version}, not {VERSION}: {remedy}")
    return found
