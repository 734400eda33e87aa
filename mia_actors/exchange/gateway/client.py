"""One connected API client: greeting, requests, and what it is told."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import InvariantViolated
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway import order_frames
from mia_actors.exchange.gateway.account_requests import AccountRequests
from mia_actors.exchange.gateway.contract_requests import ContractRequests
from mia_actors.exchange.gateway.depth_requests import DepthRequests
from mia_actors.exchange.gateway.dialect import VERSION_MAX, VERSION_MIN, Dialect
from mia_actors.exchange.gateway.family import Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.framing import Field, FrameReader, MalformedFrame, frame, split
from mia_actors.exchange.gateway.history_requests import HistoryRequests
from mia_actors.exchange.gateway.market_requests import MarketRequests
from mia_actors.exchange.gateway.order_lists import OrderLists
from mia_actors.exchange.gateway.order_requests import OrderRequests
from mia_actors.exchange.gateway.pacing import MESSAGES_PER_S_MAX, VIOLATIONS_MAX
from mia_actors.exchange.gateway.refusals import Refused
from mia_actors.exchange.gateway.tick_requests import TickRequests
from mia_actors.exchange.orders import ExchangeOrder, Execution

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

START_API = 71
LIVE = -1
"""Request id of what nobody asked for."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""`SO_LINGER`: on, for no time at all."""
NOTICES = (
    (2104, "Market data farm connection is OK:simulated"),
    (2106, "HMDS data farm connection is OK:simulated"),
    (2158, "Sec-def data farm connection is OK:simulated"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Every family of requests of one client."""

    contract: ContractRequests
    market: MarketRequests
    ticks: TickRequests
    depth: DepthRequests
    history: HistoryRequests
    account: AccountRequests
    lists: OrderLists
    orders: OrderRequests

    @classmethod
    def of(cls, gateway: "Gateway", peer: Peer) -> Self:
        """Families that nothing was asked of yet."""
        lists = OrderLists(gateway, peer)
        history = HistoryRequests(gateway, peer)
        return cls(
            contract=ContractRequests(gateway, peer),
            market=MarketRequests(gateway, peer),
            ticks=TickRequests(gateway, peer, history),
            depth=DepthRequests(gateway, peer),
            history=history,
            account=AccountRequests(gateway, peer),
            lists=lists,
            orders=OrderRequests(gateway, peer, lists),
        )

    @property
    def families(self) -> tuple[RequestFamily, ...]:
        """All of them, in the order they are told what happens."""
        return (
            self.account,
            self.contract,
            self.market,
            self.ticks,
            self.depth,
            self.history,
            self.lists,
            self.orders,
        )

    def handlers(self) -> dict[int, Handler]:
        """By message number."""
        return {number: handler for family in self.families for number, handler in family.handlers().items()}


class ApiClient(asyncio.Protocol):
    """Server side of one connection. Its client id is free again once its last byte has been worked off."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._version = 0
        self._dialect: Dialect | None = None
        self._out: list[bytes] = []
        self._recent: deque[float] = deque()
        self._requests: Requests | None = None
        self._after: list[list[Field]] = []
        self._violations = 0
        self._is_sealed = False
        self._is_aborted = False
        self.client_id: int | None = None
        self.is_black_hole = False
        """Takes everything, answers nothing."""
        self.is_held = False
        """What is sent waits."""
        self._handlers: Mapping[int, Handler] = {START_API: self._start}

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A socket was accepted."""
        self._transport = cast("asyncio.Transport", transport)
        if self._gateway.faults.is_down:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Works off whole frames; bytes that are none end the connection, not the server."""
        if self.is_black_hole:
            return
        try:
            for payload in self._reader.feed(data):
                if self._is_aborted:
                    return
                self._receive(payload)
        except MalformedFrame as error:
            self._gateway.note_malformed(str(error))
            self.close()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The last byte was worked off."""
        del exc
        self._transport = None
        self._gateway.forget(self)

    def close(self) -> None:
        """Ends the connection after what is queued was sent."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Resets the connection: what is queued here and what the client sent but was not read is lost."""
        self._out.clear()
        self._is_sealed = self._is_aborted = True
        if self._transport is None:
            return
        peer = self._transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    def end_sending(self) -> None:
        """Closes our direction after what is queued was sent; the client is still heard."""
        self.flush()
        self._is_sealed = True
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def release(self) -> None:
        """Nothing waits any more."""
        self.is_held = False
        self.flush()

    def send(self, fields: Sequence[Field]) -> None:
        """Queues a frame; `flush` writes all that is queued at once."""
        if self._is_sealed or self.is_black_hole:
            return
        if self._gateway.faults.watches_sending:
            self._out += self._gateway.faults.sending(self, fields)
        else:
            self._out.append(frame(fields))

    def send_last(self, data: bytes) -> None:
        """Queues bytes and nothing after them; the connection ends when they are sent."""
        self._out.append(data)
        self._is_sealed = True
        asyncio.get_running_loop().call_soon(self.close)

    def after_this(self, fields: list[Field]) -> None:
        """Queues a frame behind the answer to the message that is being worked off."""
        self._after.append(fields)

    def flush(self) -> None:
        """Writes what is queued."""
        if self.is_held:
            return
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    @property
    def dialect(self) -> Dialect:
        """How this client is spoken to."""
        if self._dialect is None:
            raise MalformedFrame("a request before the greeting")
        return self._dialect

    # --- what it is told unasked ---

    def tell_order(self, order: ExchangeOrder) -> None:
        """An order changed that this client may see; its owner hears first why it ended."""
        requests = self._admitted()
        if order.client_id == self.client_id:
            requests.orders.tell_ended(order)
        requests.lists.send_order(order)

    def tell_execution(self, execution: Execution) -> None:
        """A fill that this client may see."""
        self.send(order_frames.execution(self.dialect, LIVE, execution))
        self.send(order_frames.commission(execution))

    def tell_account(self) -> None:
        """There was an execution."""
        for family in self._admitted().families:
            family.account_changed()

    def tell_bar(self, bar: Bar) -> None:
        """A 5-second bar passed."""
        for family in self._admitted().families:
            family.bar_shown(bar)

    def forget_streams(self) -> None:
        """Its market data ends without a word."""
        for family in self._admitted().families:
            family.forget_streams()

    @property
    def streams_bars(self) -> bool:
        """Whether this client is told of 5-second bars."""
        return self._admitted().market.streams_bars

    def _admitted(self) -> "Requests":
        if self._requests is None:
            raise InvariantViolated("a client that has no id yet")
        return self._requests

    # --- what it asks ---

    def _receive(self, payload: bytes) -> None:
        if self._version == 0:
            self._greet(payload)
            return
        fields = split(payload)
        if not self._is_in_pace():
            return
        try:
            number = int(fields[0])
            self._gateway.access.admit(number, fields)
            handler = self._handler(number)
            if self._gateway.faults.received(self, number, fields):
                handler(fields)
            while self._after:
                self.send(self._after.pop(0))
        except Refused as refused:
            self.send(self.dialect.error(refused.request_id, refused.code, refused.text))
        except (ValueError, IndexError, KeyError, ArithmeticError) as error:
            self._gateway.note_malformed(f"message {fields[0]}: {error}")
            self.send(self.dialect.error(-1, 321, f"error validating request: {error}"))

    def _handler(self, number: int) -> Handler:
        if self.client_id is None and number != START_API:
            raise MalformedFrame("a request before startApi")
        handler = self._handlers.get(number)
        if handler is None:
            raise Refused(-1, 321, f"message {number} is not simulated")
        return handler

    def _greet(self, payload: bytes) -> None:
        """`v157..176`, perhaps with options behind a blank; answered by the version both know."""
        try:
            low, high = payload.decode().split(" ")[0].removeprefix("v").split("..")
            version = min(int(high), VERSION_MAX)
            if int(low) > VERSION_MAX or version < VERSION_MIN:
                raise MalformedFrame(f"no common version with {payload!r}")
        except (ValueError, UnicodeDecodeError) as error:
            raise MalformedFrame("no version string") from error
        self._version = version
        gateway = self._gateway
        self._dialect = Dialect(
            version=version, contract=gateway.contract, product=gateway.product, account=gateway.account
        )
        self.send([version, gateway.clock_text()])

    def _is_in_pace(self) -> bool:
        """Tells of each message above the rate; where the limits hold, drops it, and the client with the third."""
        now_s = self._gateway.monotonic_s()
        self._recent.append(now_s)
        while self._recent[0] < now_s - 1:
            self._recent.popleft()
        if len(self._recent) <= MESSAGES_PER_S_MAX:
            return True
        self.send(self.dialect.error(-1, 100, "Max rate of messages per second has been exceeded"))
        if not self._gateway.access.is_paced:
            return True
        self._violations += 1
        if self._violations >= VIOLATIONS_MAX:
            self.end_sending()
            self.close()
        return False

    def _start(self, fields: list[str]) -> None:
        wanted = int(fields[2])
        if self.client_id is not None:
            raise Refused(-1, 321, "startApi was sent before")
        if not self._gateway.admit(self, wanted):
            self.send(self.dialect.error(-1, 326, "Unable to connect as the client id is already in use."))
            self.close()
            return
        self.client_id = wanted
        peer = Peer(client_id=wanted, dialect=self.dialect, send=self.send)
        self._requests = Requests.of(self._gateway, peer)
        self._handlers = {
            START_API: self._start,
            8: lambda _: self._next_id(),
            49: lambda _: self.send([49, 1, self._gateway.now_ns // NS_PER_S]),
            **self._requests.handlers(),
        }
        self.send([15, 1, self._gateway.account])
        self._next_id()
        for code, message in NOTICES:
            self.send(self.dialect.error(-1, code, message))

    def _next_id(self) -> None:
        self.send([9, 1, self._gateway.next_order_id(self.client_id or 0)])
