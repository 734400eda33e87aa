"""What the broker has said of every order with a reference: pure, from wire messages only.

A local guess never enters: an error on an order makes its state a question (UNKNOWN), and only the gateway's
next word on it, or its lists read to their ends, answers that.
"""

from collections.abc import Collection
from dataclasses import dataclass

from mia_actors.broker.codes import Effect, code_of
from mia_actors.broker.parse import order_state
from mia_actors.core.orders import OrderReport, OrderSpec, OrderState, Purpose, Side

SENT = "PendingSubmit"
FILLED = "Filled"
EXECUTED = "Executed"
"""Our word for an order known from its executions alone; any word of the gateway replaces it."""
REJECTED = "reject"
"""In the text of a completed order: the only trace of a rejection that a reconnect leaves."""
NOT_CANCELLED = frozenset({OrderState.SENT, OrderState.WORKING, OrderState.UNKNOWN})


@dataclass(slots=True, kw_only=True)
class _Entry:
    order_ref: str
    side: Side
    quantity: int
    client_id: int = 0
    order_id: int = 0
    perm_id: int = 0
    status: str = SENT
    filled: int = 0
    remaining: int = 0
    refusal: Effect | None = None
    reason: str = ""
    questioned: bool = False

    def hear(self, status: str) -> None:
        """The gateway's word: it answers every question, and nothing follows a complete fill."""
        if self.status != FILLED:
            self.status = status
        self.questioned = False

    @property
    def state(self) -> OrderState:
        state = OrderState.FILLED if self.status == EXECUTED else order_state(self.status)
        if state is OrderState.CANCELLED and self.refusal is Effect.REFUSE and self.filled == 0:
            return OrderState.REJECTED
        if self.questioned and not state.is_final:
            return OrderState.UNKNOWN
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKey:
    """Under which number an order can be cancelled, by the client that placed it."""

    client_id: int
    order_id: int


class OrderBook:
    """Orders by reference. Not thread-safe: the session guards it."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._refs: dict[OrderKey, str] = {}
        self._refs_by_perm: dict[int, str] = {}

    def sent(self, spec: OrderSpec, key: OrderKey) -> None:
        """An order is about to be written to the socket."""
        entry = _Entry(
            order_ref=spec.order_ref,
            side=spec.side,
            quantity=spec.quantity,
            client_id=key.client_id,
            order_id=key.order_id,
            remaining=spec.quantity,
        )
        self._entries[spec.order_ref] = entry
        self._refs[key] = spec.order_ref

    def opened(
        self, *, order_ref: str, key: OrderKey, perm_id: int, side: Side, quantity: int, status: str
    ) -> str | None:
        """An open order, streamed or listed; returns its reference."""
        if not order_ref:
            return None
        entry = self._entry(order_ref, side, quantity)
        entry.client_id, entry.order_id = key.client_id, key.order_id
        entry.perm_id = perm_id or entry.perm_id
        entry.quantity = quantity
        self._refs[key] = order_ref
        if entry.perm_id:
            self._refs_by_perm[entry.perm_id] = order_ref
        entry.hear(status)
        return order_ref

    def completed(
        self,
        *,
        order_ref: str,
        perm_id: int,
        side: Side,
        quantity: int,
        status: str,
        filled: int,
        reason: str,
    ) -> str | None:
        """A finished order of the broker's list; returns its reference."""
        if not order_ref:
            return None
        entry = self._entry(order_ref, side, quantity)
        entry.perm_id = perm_id or entry.perm_id
        self._refs_by_perm[entry.perm_id] = order_ref
        entry.filled = max(entry.filled, filled)
        entry.remaining = max(0, quantity - entry.filled)
        entry.reason = entry.reason or reason
        if REJECTED in reason.lower():
            entry.refusal = Effect.REFUSE
        entry.hear(status)
        return order_ref

    def status(self, *, key: OrderKey, perm_id: int, status: str, filled: int, remaining: int) -> str | None:
        """A status by the gateway's word; returns the reference it is about."""
        entry = self._find(key, perm_id)
        if entry is None:
            return None
        entry.perm_id = perm_id or entry.perm_id
        if entry.perm_id:
            self._refs_by_perm[entry.perm_id] = entry.order_ref
        entry.filled, entry.remaining = max(entry.filled, filled), remaining
        entry.hear(status)
        return entry.order_ref

    def executed(
        self, *, order_ref: str, key: OrderKey, perm_id: int, side: Side, quantity_total: int
    ) -> str | None:
        """An execution brought what is filled of an order to `quantity_total`.

        An order known from its executions alone counts as filled with that quantity.
        """
        if not order_ref:
            return None
        if order_ref not in self._entries:
            self._entry(order_ref, side, quantity_total).status = EXECUTED
        entry = self._entries[order_ref]
        if not entry.order_id:
            entry.client_id, entry.order_id = key.client_id, key.order_id
        entry.perm_id = perm_id or entry.perm_id
        entry.filled = max(entry.filled, quantity_total)
        entry.remaining = max(0, entry.quantity - entry.filled)
        if entry.remaining == 0 and entry.status != EXECUTED:
            entry.hear(FILLED)
        return order_ref

    def objected(self, *, key: OrderKey, code: int, text: str) -> str | None:
        """An error or notice on an order number; returns the reference it is about."""
        order_ref = self._refs.get(key)
        if order_ref is None:
            return None
        entry, row = self._entries[order_ref], code_of(code, on_order=True)
        if row.effect in {Effect.REFUSE, Effect.ASK}:
            entry.refusal = row.effect
            entry.questioned = True
            entry.reason = f"{code} {row.meaning}: {text}"
        elif row.error is None and not entry.reason:
            entry.reason = f"{code} {text}"
        return order_ref

    def settle(self, listed: Collection[str]) -> None:
        """All lists came to their end: `listed` are the references in any of them.

        An order in none of them that was refused is rejected; one that was never acknowledged has not
        arrived and is forgotten; any other stays a question.
        """
        for entry in list(self._entries.values()):
            if entry.order_ref in listed or entry.state.is_final:
                continue
            if entry.refusal is Effect.REFUSE:
                entry.hear("Inactive")
            elif entry.status == SENT and not entry.questioned:
                self._forget(entry)
            else:
                entry.questioned = True

    def report(self, order_ref: str) -> OrderReport | None:
        """The present word on one order."""
        entry = self._entries.get(order_ref)
        if entry is None:
            return None
        return OrderReport(
            order_ref=order_ref,
            perm_id=entry.perm_id,
            state=entry.state,
            filled=entry.filled,
            remaining=entry.remaining,
            reason=entry.reason,
        )

    def reports(self) -> tuple[OrderReport, ...]:
        """The present word on every order."""
        found = (self.report(order_ref) for order_ref in self._entries)
        return tuple(report for report in found if report is not None)

    def key(self, order_ref: str) -> OrderKey | None:
        """The number of an order that is not final; None where none is known."""
        entry = self._entries.get(order_ref)
        if entry is None or entry.state.is_final or not entry.order_id:
            return None
        return OrderKey(client_id=entry.client_id, order_id=entry.order_id)

    def entering_contracts(self) -> int:
        """Signed contracts that entries still in the market could add to the position."""
        return sum(
            entry.side.sign * entry.remaining
            for entry in self._entries.values()
            if entry.state in NOT_CANCELLED and purpose_of(entry.order_ref) is Purpose.ENTRY
        )

    def _entry(self, order_ref: str, side: Side, quantity: int) -> _Entry:
        if order_ref not in self._entries:
            self._entries[order_ref] = _Entry(
                order_ref=order_ref, side=side, quantity=quantity, remaining=quantity
            )
        return self._entries[order_ref]

    def _find(self, key: OrderKey, perm_id: int) -> _Entry | None:
        order_ref = self._refs_by_perm.get(perm_id) or self._refs.get(key)
        return self._entries.get(order_ref) if order_ref else None

    def _forget(self, entry: _Entry) -> None:
        del self._entries[entry.order_ref]
        self._refs.pop(OrderKey(client_id=entry.client_id, order_id=entry.order_id), None)


def purpose_of(order_ref: str) -> Purpose | None:
    """Purpose written into a reference of ours; None for anybody else's."""
    parts = order_ref.split(".")
    words = {purpose.value: purpose for purpose in Purpose}
    return words.get(parts[3]) if len(parts) > 3 else None
