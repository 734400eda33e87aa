"""Every broker code we know, mapped to one class of the error tree or to a fact; a test holds it complete."""

from enum import StrEnum

from mia_actors.core.errors import (
    BrokerDisconnected,
    DataStale,
    MiaError,
    OrderRejected,
    PacingExceeded,
    PermanentError,
    PermissionMissing,
)


class Fact(StrEnum):
    """Codes that are news, not errors."""

    CONNECTIVITY_LOST = "connectivity_lost"
    RESTORED_DATA_LOST = "restored_data_lost"
    RESTORED_DATA_KEPT = "restored_data_kept"
    FARM_BROKEN = "farm_broken"
    FARM_OK = "farm_ok"
    CANCELLED = "cancelled"
    ORDER_NOTE = "order_note"
    DATA_NOTE = "data_note"


Meaning = type[MiaError] | Fact

CODES: dict[int, Meaning] = {
    100: PacingExceeded,
    103: OrderRejected,
    104: OrderRejected,
    105: OrderRejected,
    110: OrderRejected,
    161: Fact.ORDER_NOTE,
    162: PermanentError,
    165: Fact.DATA_NOTE,
    200: PermanentError,
    201: OrderRejected,
    202: Fact.CANCELLED,
    203: PermissionMissing,
    300: PermanentError,
    317: Fact.DATA_NOTE,
    320: PermanentError,
    321: PermanentError,
    322: PermanentError,
    326: BrokerDisconnected,
    329: OrderRejected,
    354: PermissionMissing,
    366: PermanentError,
    399: Fact.ORDER_NOTE,
    404: Fact.ORDER_NOTE,
    420: PacingExceeded,
    434: OrderRejected,
    460: PermissionMissing,
    492: Fact.ORDER_NOTE,
    502: BrokerDisconnected,
    503: BrokerDisconnected,
    504: BrokerDisconnected,
    1100: Fact.CONNECTIVITY_LOST,
    1101: Fact.RESTORED_DATA_LOST,
    1102: Fact.RESTORED_DATA_KEPT,
    1300: BrokerDisconnected,
    2103: Fact.FARM_BROKEN,
    2104: Fact.FARM_OK,
    2105: Fact.FARM_BROKEN,
    2106: Fact.FARM_OK,
    2107: Fact.FARM_OK,
    2108: Fact.FARM_OK,
    2109: Fact.ORDER_NOTE,
    2110: Fact.CONNECTIVITY_LOST,
    2157: Fact.FARM_BROKEN,
    2158: Fact.FARM_OK,
    10089: PermissionMissing,
    10147: Fact.ORDER_NOTE,
    10148: Fact.ORDER_NOTE,
    10167: Fact.DATA_NOTE,
    10168: PermissionMissing,
    10197: DataStale,
    10225: DataStale,
    10349: Fact.ORDER_NOTE,
}


def meaning(code: int) -> Meaning:
    """What a code is; one nobody knows is an error that is not retried."""
    return CODES.get(code, PermanentError)


def is_rejection(code: int) -> bool:
    """Whether a code on an order's id says that the order will never work."""
    found = meaning(code)
    return isinstance(found, type) and issubclass(found, PermanentError)
