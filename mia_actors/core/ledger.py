"""The ledger: canonical rows of every order and fill, and their hash.

Nothing in a row depends on wall time, process, attempt or incarnation: no order id, permanent id, execution
id or latency. Two sessions that did the same have the same bytes.
"""

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

from mia_actors.core.clock import iso_utc
from mia_actors.core.orders import Fill, OrderSpec, OrderState
from mia_actors.core.tradebook import TradeBook, fill_order
from mia_actors.core.units import Product

COLUMNS = (
    "event_time",
    "kind",
    "instrument",
    "order_ref",
    "side",
    "quantity",
    "type",
    "limit_price",
    "stop_price",
    "state",
    "fill_quantity",
    "fill_price",
    "commission_usd",
    "net_position",
    "realized_pnl_usd",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """An order and its last state."""

    spec: OrderSpec
    state: OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Canonical text and what is read off it."""

    text: str
    """CSV with a header, `\\n` line ends."""
    orders: int
    fills: int
    sha256: str


def build_ledger(product: Product, orders: Iterable[LedgerOrder], fills: Iterable[Fill]) -> Ledger:
    """Ledger of orders (at their decision time, last state) and fills (at execution time), in time order.

    Orders that were journaled but never reached the broker (`expired`) are part of it: they were decided.
    Net position and realised profit run along the fills.
    """
    by_ref = {order.spec.order_ref: order for order in orders}
    rows: list[tuple[tuple[int, int, str, int, int], tuple[str, ...]]] = []
    for order in by_ref.values():
        spec = order.spec
        key = (spec.decided_at_ns, 0, spec.order_ref, list(type(spec.purpose)).index(spec.purpose), 0)
        rows.append((key, _order_row(product, order)))
    book = TradeBook(product)
    ordered = sorted({fill.exec_id: fill for fill in fills}.values(), key=fill_order)
    for number, fill in enumerate(ordered):
        book.add(fill)
        rows.append(((fill.event_time_ns, 1, "", 0, number), _fill_row(product, fill, by_ref, book)))
    rows.sort(key=lambda row: row[0])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row for _, row in rows)
    text = buffer.getvalue()
    return Ledger(
        text=text,
        orders=len(by_ref),
        fills=len(ordered),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _price(product: Product, ticks: int | None) -> str:
    return "" if ticks is None else f"{product.price_of(ticks):.2f}"


def _order_row(product: Product, order: LedgerOrder) -> tuple[str, ...]:
    spec = order.spec
    return (
        iso_utc(spec.decided_at_ns),
        "order",
        spec.instrument,
        spec.order_ref,
        spec.side.value,
        str(spec.quantity),
        spec.order_type.value,
        _price(product, spec.limit_ticks),
        _price(product, spec.stop_ticks),
        order.state.value,
        "",
        "",
        "",
        "",
        "",
    )


def _fill_row(
    product: Product, fill: Fill, orders: dict[str, LedgerOrder], book: TradeBook
) -> tuple[str, ...]:
    order = orders.get(fill.order_ref)
    return (
        iso_utc(fill.event_time_ns),
        "fill",
        fill.instrument,
        fill.order_ref,
        fill.side.value,
        str(order.spec.quantity) if order else "",
        order.spec.order_type.value if order else "",
        _price(product, order.spec.limit_ticks) if order else "",
        _price(product, order.spec.stop_ticks) if order else "",
        "",
        str(fill.quantity),
        _price(product, fill.price_ticks),
        "" if fill.commission_usd is None else f"{fill.commission_usd:.2f}",
        str(book.position_contracts),
        f"{book.realized_usd:.2f}",
    )
