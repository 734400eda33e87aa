"""Faults of the simulated gateway: what a script may ask for, and when it is due. Pure.

A script is a YAML file: `version: 1` and a list of `faults`, each with one trigger (`at`, `receives` or `sends`)
and what to `do`. docs/faults.md lists them.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import ConfigError
from mia_actors.supervision.yaml_file import load_yaml

AFTER_START = re.compile(r"\+(\d+):(\d{2}):(\d{2})")

RECEIVED = {
    "reqMktData": 1,
    "placeOrder": 3,
    "cancelOrder": 4,
    "reqOpenOrders": 5,
    "reqAccountUpdates": 6,
    "reqExecutions": 7,
    "reqContractDetails": 9,
    "reqAllOpenOrders": 16,
    "reqHistoricalData": 20,
    "reqCurrentTime": 49,
    "reqRealTimeBars": 50,
    "reqGlobalCancel": 58,
    "reqPositions": 61,
    "startApi": 71,
    "reqCompletedOrders": 99,
}
"""Messages of clients that a trigger may name."""
SENT = {
    "orderStatus": 3,
    "error": 4,
    "openOrder": 5,
    "updateAccountValue": 6,
    "nextValidId": 9,
    "contractDetails": 10,
    "execDetails": 11,
    "managedAccounts": 15,
    "historicalData": 17,
    "currentTime": 49,
    "realtimeBar": 50,
    "openOrderEnd": 53,
    "execDetailsEnd": 55,
    "commissionReport": 59,
    "position": 61,
    "positionEnd": 62,
    "completedOrder": 101,
    "completedOrdersEnd": 102,
}
"""Messages of the gateway that a trigger may name."""


class Action(StrEnum):
    """What happens."""

    RESET = "reset"
    """The connection is reset: what was queued either way is lost."""
    HALF_CLOSE = "half_close"
    """The gateway ends its sending direction and goes on reading."""
    BLACK_HOLE = "black_hole"
    """The connection stays, takes everything and answers nothing; after `seconds` it is reset."""
    DELAY = "delay"
    """What is sent waits for `seconds`."""
    IGNORE = "ignore"
    """The message received is dropped silently."""
    REJECT = "reject"
    """The message received is answered with `code` and `text`, and not carried out."""
    OMIT = "omit"
    """The message is not sent."""
    DUPLICATE = "duplicate"
    """The message is sent twice."""
    TRUNCATE = "truncate"
    """Half of the message is sent, then the connection ends."""
    NOTICE = "notice"
    """`code` and `text` are sent: about the order just received, else about nothing."""
    MUTE = "mute"
    """The market data streams of the client end without a word."""
    FARM_BROKEN = "farm_broken"
    """2103, and 2104 after `seconds`; the streams that were there stay silent."""
    CONNECTIVITY_LOST = "connectivity_lost"
    """1100, and after `seconds` 1102, or 1101 with `data: lost`; until then nothing is told or carried out."""
    CLOSE_MARKET = "close_market"
    """No bars, no orders, no cancels for `seconds`, as in the daily break."""
    ROLL_BACK_ORDER_IDS = "roll_back_order_ids"
    """The gateway forgets which order numbers were used and offers 1 again."""
    RESTART = "restart"
    """The gateway's process dies; who keeps it starts the next one."""
    DAILY_RESTART = "daily_restart"
    """All connections are reset, none is accepted for `seconds`, order numbers are forgotten."""


LASTING = frozenset(
    {
        Action.BLACK_HOLE,
        Action.DELAY,
        Action.FARM_BROKEN,
        Action.CONNECTIVITY_LOST,
        Action.CLOSE_MARKET,
        Action.DAILY_RESTART,
    }
)
SPEAKING = frozenset({Action.REJECT, Action.NOTICE})
ANY_TIME = frozenset({Action.RESET, Action.HALF_CLOSE, Action.BLACK_HOLE, Action.DELAY})
ON_RECEIVING = ANY_TIME | {Action.IGNORE, Action.REJECT, Action.NOTICE}
ON_SENDING = ANY_TIME | {Action.OMIT, Action.DUPLICATE, Action.TRUNCATE}
AT_A_TIME = frozenset(Action) - {
    Action.IGNORE,
    Action.REJECT,
    Action.OMIT,
    Action.DUPLICATE,
    Action.TRUNCATE,
}


class Fault(BaseModel):
    """One line of a script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str | None = Field(
        default=None, description="Market time: +H:MM:SS after the first bar's start, or an ISO time."
    )
    receives: str | None = Field(default=None, description="A client's message, such as placeOrder.")
    sends: str | None = Field(default=None, description="A message of the gateway, such as orderStatus.")
    nth: int = Field(default=1, ge=1, description="From which of these messages on, counted by this gateway.")
    times: int = Field(default=1, ge=1, le=1_000_000, description="How many of them in a row.")
    client: int | None = Field(default=None, ge=0, description="Client id; all of them when left out.")
    do: Action
    seconds: float | None = Field(default=None, gt=0, le=3600, description="By the machine's clock.")
    code: int | None = Field(default=None, ge=1)
    text: str = ""
    data: Literal["kept", "lost"] = "kept"

    @model_validator(mode="after")
    def _is_one_fault(self) -> Self:
        given = [name for name in ("at", "receives", "sends") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("exactly one of at, receives, sends says when")
        allowed = {"at": AT_A_TIME, "receives": ON_RECEIVING, "sends": ON_SENDING}[given[0]]
        if self.do not in allowed:
            raise ValueError(f"{self.do} does not go with {given[0]}; allowed: {', '.join(sorted(allowed))}")
        names = {"at": None, "receives": RECEIVED, "sends": SENT}[given[0]]
        if names is not None and getattr(self, given[0]) not in names:
            raise ValueError(f"{getattr(self, given[0])!r} is no {given[0]}; allowed: {', '.join(names)}")
        if (self.do in LASTING) != (self.seconds is not None):
            raise ValueError(f"{self.do} {'needs' if self.do in LASTING else 'has no'} seconds")
        if (self.do in SPEAKING) != (self.code is not None):
            raise ValueError(f"{self.do} {'needs a' if self.do in SPEAKING else 'has no'} code")
        return self


class FaultScript(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    faults: tuple[Fault, ...]


def load_script(path: Path) -> tuple[Fault, ...]:
    """Reads a script.

    Raises:
        ConfigError: one line per finding, with file, line and key.
    """
    return load_yaml(path, FaultScript).value.faults


class FaultSchedule:
    """Which fault is due now. Counts messages; what was carried out before is told by the market's record."""

    def __init__(self, faults: Sequence[Fault], *, start_ns: int, struck: Mapping[int, int]) -> None:
        """`struck`: how often each fault, by its place in the script, was carried out; changes as they are.

        Raises:
            ConfigError: a time that is none.
        """
        self._start_ns = start_ns
        self._struck = struck
        self._faults: list[Fault] = []
        self._at_ns: list[tuple[int, int]] = []  # moment, place
        self._met: Counter[int] = Counter()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """One more, behind all others.

        Raises:
            ConfigError: its time is none.
        """
        place = len(self._faults)
        self._faults.append(fault)
        if fault.at is not None:
            self._at_ns.append((_moment_ns(fault.at, self._start_ns), place))
            self._at_ns.sort()

    @property
    def watches_sending(self) -> bool:
        """Whether any fault waits for a message of the gateway."""
        return any(fault.sends is not None for fault in self._faults)

    def due(self, now_ns: int) -> list[tuple[int, Fault]]:
        """Faults whose market time has come and that were not carried out, with their places."""
        return [
            (place, self._faults[place])
            for moment_ns, place in self._at_ns
            if moment_ns <= now_ns and not self._struck.get(place)
        ]

    def received(self, client_id: int | None, message: int) -> tuple[int, Fault] | None:
        """The fault that a client's message meets, if any. Counts it."""
        return self._meets(client_id, message, "receives", RECEIVED)

    def sending(self, client_id: int | None, message: int) -> tuple[int, Fault] | None:
        """The fault that a message to a client meets, if any. Counts it."""
        return self._meets(client_id, message, "sends", SENT)

    def _meets(
        self, client_id: int | None, message: int, way: str, numbers: Mapping[str, int]
    ) -> tuple[int, Fault] | None:
        found = None
        for place, fault in enumerate(self._faults):
            name = getattr(fault, way)
            if name is None or numbers[name] != message or fault.client not in {None, client_id}:
                continue
            self._met[place] += 1
            if found is None and self._met[place] >= fault.nth and self._struck.get(place, 0) < fault.times:
                found = (place, fault)
        return found


def _moment_ns(text: str, start_ns: int) -> int:
    if after := AFTER_START.fullmatch(text):
        hours, minutes, seconds = (int(part) for part in after.groups())
        delta = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return start_ns + round(delta.total_seconds()) * NS_PER_S
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"at: {text!r}: allowed: +H:MM:SS after the first bar's start, or an ISO time with its zone"
        )
    return time_ns_of(moment)
