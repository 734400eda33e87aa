"""Every broker code we know: what it means, which error it is, what the session does about it.

A code without an error class is a fact: noted, and nothing else. Sources: the TWS notes of the design and
IB's own message code page.
"""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.errors import (
    BrokerDisconnected,
    ConfigError,
    DataStale,
    MiaError,
    OrderRejected,
    PacingExceeded,
    PermanentError,
    PermissionMissing,
    TransientError,
)


class Effect(StrEnum):
    """What the session does when the code arrives."""

    NOTE = "note"
    REFUSE = "refuse"
    """On an order: it was refused. Confirmed by the broker's lists before it counts."""
    ASK = "ask"
    """On an order: its state is a question, settled by the broker's lists."""
    SUSPEND = "suspend"
    """Nothing can be sent or known until the connectivity is back."""
    RENEW = "renew"
    """The session is thrown away; a new one reconciles everything."""
    FARM_DOWN = "farm_down"
    FARM_UP = "farm_up"
    """After `FARM_DOWN` the streams may stay silent: the session is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row of the table."""

    meaning: str
    error: type[MiaError] | None = None
    """None: a fact."""
    effect: Effect = Effect.NOTE


def _fact(meaning: str, effect: Effect = Effect.NOTE) -> Code:
    return Code(meaning=meaning, effect=effect)


def _refusal(meaning: str, error: type[MiaError] = OrderRejected) -> Code:
    return Code(meaning=meaning, error=error, effect=Effect.REFUSE)


def _error(meaning: str, error: type[MiaError], effect: Effect = Effect.NOTE) -> Code:
    return Code(meaning=meaning, error=error, effect=effect)


CODES: dict[int, Code] = {
    100: _error("message rate exceeded", PacingExceeded),
    103: _refusal("duplicate order id"),
    104: _error("a filled order cannot be modified", OrderRejected, Effect.ASK),
    105: _error("a modification does not match the order", OrderRejected, Effect.ASK),
    110: _refusal("price off the tick grid"),
    161: _error("not cancellable in this state", OrderRejected, Effect.ASK),
    162: _error("historical data service", TransientError),
    165: _fact("historical service message"),
    200: _error("no such contract", ConfigError, Effect.REFUSE),
    201: _refusal("order rejected"),
    202: _fact("order cancelled"),
    203: _refusal("instrument not allowed for this account", PermissionMissing),
    300: _fact("no such ticker"),
    309: _error("too many market depth subscriptions", PermanentError),
    310: _fact("no such market depth subscription"),
    317: _fact("market depth reset"),
    321: _refusal("request not valid"),
    322: _error("request not processed", PermanentError),
    326: _error("client id in use", BrokerDisconnected),
    329: _error("order modification failed", OrderRejected, Effect.ASK),
    354: _error("market data not subscribed", PermissionMissing),
    366: _fact("no such historical query"),
    399: _fact("order message"),
    404: _fact("order held"),
    420: _error("real-time query pacing", PacingExceeded),
    434: _refusal("order size is zero"),
    460: _refusal("no trading permission", PermissionMissing),
    492: _fact("order warning"),
    502: _error("cannot connect", BrokerDisconnected),
    503: _error("gateway is outdated", ConfigError),
    504: _error("not connected", BrokerDisconnected),
    1100: _error("connectivity lost", BrokerDisconnected, Effect.SUSPEND),
    1101: _fact("connectivity restored, data lost", Effect.RENEW),
    1102: _fact("connectivity restored, data kept", Effect.RENEW),
    1300: _error("socket port changed", BrokerDisconnected, Effect.RENEW),
    2103: _error("market data farm broken", DataStale, Effect.FARM_DOWN),
    2104: _fact("market data farm is OK", Effect.FARM_UP),
    2105: _error("historical data farm broken", DataStale),
    2106: _fact("historical data farm is OK"),
    2107: _fact("historical data farm inactive"),
    2108: _fact("market data farm inactive"),
    2109: _fact("order attribute ignored"),
    2110: _error("connectivity to the server lost", BrokerDisconnected, Effect.SUSPEND),
    2157: _error("security definition farm broken", DataStale),
    2158: _fact("security definition farm is OK"),
    10089: _error("market data needs a subscription", PermissionMissing),
    10147: _error("order to cancel not found", OrderRejected, Effect.ASK),
    10148: _error("order cannot be cancelled", OrderRejected, Effect.ASK),
    10167: _error("delayed market data only", DataStale),
    10168: _error("delayed market data not enabled", PermissionMissing),
    10190: _error("too many tick-by-tick subscriptions", PermanentError),
    10197: _error("competing live session has the data", DataStale),
    10225: _fact("bust event, subscription ended", Effect.RENEW),
    10349: _fact("time in force set by preset, the order stays live"),
}

WARNINGS = range(2100, 2200)
UNKNOWN_WARNING = _fact("warning not in the table")
UNKNOWN_ON_ORDER = _refusal("order error not in the table")
UNKNOWN = _error("error not in the table", TransientError)

HISTORY = 162
NO_DATA = "no data"
PACING = "pacing"
NOT_ALLOWED = ("permission", "not subscribed", "no subscription")


def code_of(code: int, *, on_order: bool = False) -> Code:
    """The row of a code; one that is not in the table is judged by where it came."""
    if code in CODES:
        return CODES[code]
    if code in WARNINGS:
        return UNKNOWN_WARNING
    return UNKNOWN_ON_ORDER if on_order else UNKNOWN


def error_of(code: int, text: str) -> MiaError:
    """The error to raise for a request that failed with this code."""
    row = code_of(code)
    kind = _history_error(text) if code == HISTORY else row.error or TransientError
    return kind(f"broker code {code}, {row.meaning}: {text}")


def _history_error(text: str) -> type[MiaError]:
    """The one code of the historical service stands for everything; only its text says what."""
    said = text.lower()
    if PACING in said:
        return PacingExceeded
    return PermissionMissing if any(word in said for word in NOT_ALLOWED) else TransientError


def is_empty_history(code: int, text: str) -> bool:
    """Whether a failed history request only says that there are no bars; 162 also stands for pacing."""
    return code in {162, 165, 366} and NO_DATA in text.lower() and PACING not in text.lower()
