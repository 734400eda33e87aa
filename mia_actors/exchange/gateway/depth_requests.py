"""One client's market depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.depth import BookChange, book_changes
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.gateway.refusals import Refused, require_contract
from mia_actors.exchange.gateway.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

BOOKS_MAX = 3
ROWS_MAX = 10
RESET_TEXT = (
    "Market depth data has been RESET. Please empty deep book contents before applying any new entries."
)


@dataclass(slots=True, kw_only=True)
class Book:
    """What one subscription has been told."""

    rows: int
    is_smart: bool
    last_bar: Bar | None = None


class DepthRequests(RequestFamily):
    """Simulated order books; after a gap between bars they begin anew."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer
        self._books: Subscriptions[Book] = Subscriptions(
            unknown_code=310, unknown_text="Can't find the subscribed market depth with tickerId:{}"
        )

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {10: self._subscribe, 11: lambda fields: self._books.cancel(int(fields[2]))}

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`."""
        for request_id, book in self._books.items():
            self._send(request_id, book, bar)

    def forget_streams(self) -> None:
        """See `RequestFamily.forget_streams`."""
        self._books.clear()

    def _subscribe(self, fields: list[str]) -> None:
        gateway, request_id = self._gateway, int(fields[2])
        require_contract(request_id, fields[3 : 3 + CONTRACT_FIELDS], gateway.contract, gateway.product)
        rows, smart = int(fields[15]), fields[16]
        if rows < 1:
            raise Refused(request_id, 321, f"market depth of {rows} rows")
        gateway.access.need_market_data(request_id)
        self._books.need_new(request_id)
        if len(self._books) >= BOOKS_MAX:
            raise Refused(
                request_id, 309, f"Max number ({BOOKS_MAX}) of market depth requests has been reached"
            )
        book = Book(rows=min(rows, ROWS_MAX), is_smart=smart == "1")
        self._books.add(request_id, book)
        if gateway.last_bar is not None:
            self._send(request_id, book, gateway.last_bar)

    def _send(self, request_id: int, book: Book, bar: Bar) -> None:
        before = book.last_bar
        if before is not None and before.end_ns != bar.start_ns:
            self._peer.send(self._peer.dialect.error(request_id, 317, RESET_TEXT))
            before = None
        book.last_bar = bar
        before_ticks = None if before is None else before.close_ticks
        for change in book_changes(before_ticks, bar.close_ticks, book.rows):
            self._peer.send(self._frame(request_id, book, change))

    def _frame(self, request_id: int, book: Book, change: BookChange) -> list[Field]:
        values: list[Field] = [
            int(change.operation),
            int(change.side),
            self._peer.dialect.price(change.price_ticks),
            change.size,
        ]
        if not book.is_smart:
            return [12, 1, request_id, change.position, *values]
        return [13, 1, request_id, change.position, self._gateway.product.exchange, *values, True]
