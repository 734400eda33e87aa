"""ib_insync or ib_async, listened to at the wire.

Its own view of orders is not a fact: it marks live orders as cancelled on mere warnings, keeps executions of
unknown orders to itself and swallows what it cannot decode. So the wrapper's incoming calls are told to a
listener first-hand, in wire order, and the library is used for framing, encoding and requests.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from mia_actors.broker.ib_library import IB_INSYNC, LIBRARY

try:
    asyncio.get_event_loop_policy().get_event_loop()
except RuntimeError:  # eventkit wants one at import, and threads other than the main one have none
    asyncio.set_event_loop(asyncio.SelectorEventLoop())

if TYPE_CHECKING or LIBRARY == IB_INSYNC:
    from ib_insync import IB, Future, Order
    from ib_insync.client import Client
    from ib_insync.contract import Contract as IbContract
    from ib_insync.decoder import Decoder
    from ib_insync.wrapper import RequestError, Wrapper
else:
    from ib_async import IB, Future, Order
    from ib_async.client import Client
    from ib_async.contract import Contract as IbContract
    from ib_async.decoder import Decoder
    from ib_async.wrapper import RequestError, Wrapper

IbOrder = Order
IbFuture = Future
__all__ = ["IbContract", "IbFuture", "IbOrder", "RequestError", "WireIB", "WireListener"]

VITAL_MESSAGES = frozenset({3, 4, 5, 9, 10, 11, 17, 50, 59, 61, 101})
"""Messages that must not be lost: orders, executions, commissions, positions, bars, errors."""

DEMOTED_REFUSALS = frozenset({105, 321, 329})
"""Refusals that ib_async takes for warnings: it would leave a request so refused waiting for ever."""

logging.getLogger(LIBRARY).setLevel(logging.CRITICAL)  # what matters is told by the listener


class WireListener(Protocol):
    """Hears everything of one connection, in the loop's thread, in wire order."""

    def wire_bar(self, start_s: int, prices: Sequence[float], volume: float) -> None:
        """A 5-second bar."""
        ...

    def wire_open_order(self, order_id: int, order: Any, state: Any) -> None:
        """An open order, streamed or listed."""
        ...

    def wire_completed_order(self, order: Any, state: Any) -> None:
        """A finished order; it comes without order id and client id."""
        ...

    def wire_order_status(
        self, *, order_id: int, client_id: int, perm_id: int, status: str, filled: float, remaining: float
    ) -> None:
        """A status by the gateway's word."""
        ...

    def wire_execution(self, contract: Any, execution: Any) -> None:
        """An execution, live or listed, whoever's order it was."""
        ...

    def wire_commission(self, report: Any) -> None:
        """The commission of an execution."""
        ...

    def wire_position(self, contract: Any, position: float) -> None:
        """The account's position in a contract, streamed or listed."""
        ...

    def wire_price(self, tick_type: int, price: float) -> None:
        """A trade, bid or ask of the market data subscription; -1 stands for none."""
        ...

    def wire_pnl(self, unrealized: float) -> None:
        """The broker's open profit of the contract subscribed."""
        ...

    def wire_account_value(self, tag: str, value: str, currency: str) -> None:
        """A line of the account updates."""
        ...

    def wire_error(self, request_id: int, code: int, text: str) -> None:
        """A notice or error; the id is that of a request or an order, -1 for neither."""
        ...

    def wire_failed(self, error: Exception) -> None:
        """A vital message could not be understood or handled."""
        ...


class _WireWrapper(Wrapper):
    """Tells the listener, then lets the library do what its requests need."""

    def __init__(self, ib: IB, listener: WireListener) -> None:
        self._listener = listener
        super().__init__(ib)  # type: ignore[no-untyped-call]

    def unanswered(self) -> tuple[str, ...]:
        """Requests whose answers have not come to their end."""
        return tuple(
            str(key) for key, future in self._futures.items() if not future.done() or future.cancelled()
        )

    def tell(self, hear: Callable[..., None], *facts: Any, **named: Any) -> None:
        """Calls the listener; what it raises is its failure, which the library would swallow."""
        try:
            hear(*facts, **named)
        except Exception as error:  # noqa: BLE001 - told
            self._listener.wire_failed(error)

    def realtimeBar(  # noqa: N802 - the library's name
        self,
        reqId: int,  # noqa: ARG002, N803
        time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        wap: float,  # noqa: ARG002
        count: int,  # noqa: ARG002
    ) -> None:
        """Not passed on: the library's list of bars would grow for ever."""
        self.tell(self._listener.wire_bar, time, (open_, high, low, close), volume)

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        """See `WireListener.wire_open_order`."""
        if not order.whatIf:
            self.tell(self._listener.wire_open_order, orderId, order, orderState)
        super().openOrder(orderId, contract, order, orderState)

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        """See `WireListener.wire_completed_order`."""
        self.tell(self._listener.wire_completed_order, order, orderState)
        super().completedOrder(contract, order, orderState)

    def orderStatus(  # noqa: N802
        self,
        orderId: int,  # noqa: N803
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,  # noqa: N803
        permId: int,  # noqa: N803
        parentId: int,  # noqa: N803
        lastFillPrice: float,  # noqa: N803
        clientId: int,  # noqa: N803
        whyHeld: str,  # noqa: N803
        mktCapPrice: float = 0.0,  # noqa: N803
    ) -> None:
        """See `WireListener.wire_order_status`."""
        self.tell(
            self._listener.wire_order_status,
            order_id=orderId,
            client_id=clientId,
            perm_id=permId,
            status=status,
            filled=filled,
            remaining=remaining,
        )
        super().orderStatus(
            orderId,
            status,
            filled,
            remaining,
            avgFillPrice,
            permId,
            parentId,
            lastFillPrice,
            clientId,
            whyHeld,
            mktCapPrice,
        )

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:  # noqa: N802, N803
        """See `WireListener.wire_execution`."""
        self.tell(self._listener.wire_execution, contract, execution)
        super().execDetails(reqId, contract, execution)

    def position(self, account: str, contract: Any, posContract: float, avgCost: float) -> None:  # noqa: N803
        """See `WireListener.wire_position`."""
        self.tell(self._listener.wire_position, contract, posContract)
        super().position(account, contract, posContract, avgCost)

    def commissionReport(self, commissionReport: Any) -> None:  # noqa: N802, N803
        """See `WireListener.wire_commission`."""
        self.tell(self._listener.wire_commission, commissionReport)
        super().commissionReport(commissionReport)

    def priceSizeTick(  # noqa: N802
        self,
        reqId: int,  # noqa: ARG002, N803
        tickType: int,  # noqa: N803
        price: float,
        size: float,  # noqa: ARG002
    ) -> None:
        """Not passed on: the library's tickers are of no use here."""
        self.tell(self._listener.wire_price, tickType, price)

    def pnlSingle(  # noqa: N802
        self,
        reqId: int,  # noqa: ARG002, N803
        pos: int,  # noqa: ARG002
        dailyPnL: float,  # noqa: ARG002, N803
        unrealizedPnL: float,  # noqa: N803
        realizedPnL: float,  # noqa: ARG002, N803
        value: float,  # noqa: ARG002
    ) -> None:
        """Not passed on, as above."""
        self.tell(self._listener.wire_pnl, unrealizedPnL)

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:  # noqa: N802
        """See `WireListener.wire_account_value`."""
        self.tell(self._listener.wire_account_value, tag, val, currency)
        super().updateAccountValue(tag, val, currency, account)

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str) -> None:  # noqa: N803
        """See `WireListener.wire_error`; ends the request that was refused, whatever the library calls it."""
        self.tell(self._listener.wire_error, reqId, errorCode, errorString)
        super().error(reqId, errorCode, errorString, advancedOrderRejectJson)
        if errorCode in DEMOTED_REFUSALS and reqId in self._futures:
            refusal = RequestError(reqId, errorCode, errorString)
            self._endReq(reqId, refusal, success=False)  # type: ignore[no-untyped-call]


class _StrictDecoder(Decoder):
    """Reports vital messages it cannot decode, where the library's only logs them, and counts all of them."""

    malformed = 0

    def wrap(self, methodName: str, types: Sequence[type], skip: int = 2) -> Callable[[list[str]], None]:  # noqa: N803
        """The library's handler of plain messages, without its catch-all."""

        def handler(fields: list[str]) -> None:
            method = getattr(self.wrapper, methodName, None)
            if method is not None:
                pairs = zip(types, fields[skip:], strict=False)  # older servers send fewer
                method(*(_read(kind, field) for kind, field in pairs))

        return handler

    def interpret(self, fields: list[str]) -> None:
        """One message to its handler."""
        try:
            number = int(fields[0])
            self.handlers[number](fields)
        except Exception as error:  # noqa: BLE001 - told, with the message it was
            self.malformed += 1
            if fields and fields[0].isdigit() and int(fields[0]) not in VITAL_MESSAGES:
                return
            cast("_WireWrapper", self.wrapper).tell(_raise, error)


def _read(kind: type, field: str) -> Any:
    if kind is bool:
        return bool(int(field or 0))
    return field if kind is str else kind(field or 0)


def _raise(error: Exception) -> None:
    raise error


class WireIB(IB):
    """An `IB` for exactly one connection, with a listener at its wire; failed requests raise."""

    RaiseRequestErrors = True

    def __init__(self, listener: WireListener) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._heard = _WireWrapper(self, listener)
        self.wrapper = self._heard
        self.client = Client(self._heard)  # type: ignore[no-untyped-call]
        self.client.decoder = _StrictDecoder(self.wrapper, 0)
        self.client.apiEnd += self.disconnectedEvent

    @property
    def malformed(self) -> int:
        """Messages that could not be understood, the vital ones among them."""
        return cast("_StrictDecoder", self.client.decoder).malformed

    def unanswered(self) -> tuple[str, ...]:
        """Requests whose answers have not come to their end."""
        return self._heard.unanswered()

    def write_at_once(self, write: Callable[[], object]) -> None:
        """Runs `write` and hands everything it sends to the kernel as one piece.

        A process that dies meanwhile has sent all of it or nothing.
        """
        connection: Any = self.client.conn
        frames: list[bytes] = []
        send = connection.sendMsg
        connection.sendMsg = frames.append
        try:
            write()
        finally:
            connection.sendMsg = send
        if frames:
            send(b"".join(frames))

    def room_for(self, messages: int, now_s: float) -> bool:
        """Whether so many messages go out now, without the library holding some back for its pacing."""
        client = self.client
        recent = sum(1 for sent_s in client._timeQ if now_s - sent_s <= client.RequestsInterval)  # noqa: SLF001
        return not client._msgQ and recent + messages <= client.MaxRequests  # noqa: SLF001
