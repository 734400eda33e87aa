"""Which executions on the account are this system's. Pure.

An account may be traded by others too: a person in TWS, the broker that liquidates, another program. Executions of
our own orders, the guardian's offsets included, carry our reference. Those of others are not ours, except where they
take our position away: what is gone must not be closed again.
"""

from collections.abc import Iterable
from dataclasses import replace

from mia_actors.core.orders import EXECUTOR_PREFIX, GUARDIAN_PREFIX, Fill
from mia_actors.core.tradebook import fill_order

OWN_PREFIXES = (f"{EXECUTOR_PREFIX}.", f"{GUARDIAN_PREFIX}.")


def is_own(order_ref: str) -> bool:
    """Whether an order is this system's, by its reference."""
    return order_ref.startswith(OWN_PREFIXES)


def owned(fills: Iterable[Fill], *, adopt: bool) -> tuple[Fill, ...]:
    """What of the account's executions counts as this system's, in canonical order.

    `fills` are all of one instrument since the position was last flat, or more. With `adopt` all of them count.
    Without, an execution of somebody else's first closes what somebody else holds, and then, as far as it goes, our
    position; that part of it, with its share of the commission, is in the result under the same execution id.
    """
    ordered = sorted(fills, key=fill_order)
    if adopt:
        return tuple(ordered)
    ours, theirs = 0, 0
    found = []
    for fill in ordered:
        if is_own(fill.order_ref):
            ours += fill.signed_quantity
            found.append(fill)
            continue
        sign, left = fill.side.sign, fill.quantity
        from_theirs = min(left, max(0, -sign * theirs))
        from_ours = min(left - from_theirs, max(0, -sign * ours))
        theirs += sign * (left - from_ours)
        ours += sign * from_ours
        if from_ours:
            found.append(_part(fill, from_ours))
    return tuple(found)


def _part(fill: Fill, quantity: int) -> Fill:
    if quantity == fill.quantity:
        return fill
    commission = fill.commission_usd
    share = None if commission is None else commission * quantity / fill.quantity
    return replace(fill, quantity=quantity, commission_usd=share)
