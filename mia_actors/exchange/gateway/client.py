"""One connected API client: greeting, requests, and what it is told."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from mia_actors.core.clock import NS_PER_S
from mia_actors.exchange.gateway.execution_filter import ExecutionFilter
from mia_actors.exchange.gateway.framing import Field, FrameReader, MalformedFrame, frame, split
from mia_actors.exchange.gateway.history import BAR_SIZES
from mia_actors.exchange.gateway.order_requests import OrderRequests
from mia_actors.exchange.gateway.refusals import Refused, require_contract
from mia_actors.exchange.gateway.responses import NOTICES, Formatter, account_lines

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

VERSION_MIN, VERSION_MAX = 157, 178
MESSAGES_PER_S_MAX = 50
START_API = 71
CONTRACT = slice(2, 14)
EXECUTION_FILTER = slice(3, 10)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""`SO_LINGER`: on, for no time at all."""


class ApiClient(asyncio.Protocol):
    """Server side of one connection. Its client id is free again once its last byte has been worked off."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._version = 0
        self._format: Formatter | None = None
        self._out: list[bytes] = []
        self._recent: deque[float] = deque()
        self._orders: OrderRequests | None = None
        self.client_id: int | None = None
        self.bar_requests: set[int] = set()
        self.tick_requests: set[int] = set()
        self.wants_positions = False
        self.wants_account = False
        self._handlers: dict[int, Callable[[list[str]], None]] = {
            1: self._market_data,
            2: lambda f: self.tick_requests.discard(int(f[2])),
            3: self._place,
            4: self._cancel,
            5: self._open_orders,
            6: self._account_updates,
            7: self._executions,
            8: lambda _: self._next_id(),
            9: self._contract_details,
            15: self._ignore,
            16: self._all_open_orders,
            17: lambda _: self.send([15, 1, gateway.account]),
            20: self._history,
            25: self._ignore,
            49: lambda _: self.send([49, 1, gateway.now_ns // NS_PER_S]),
            50: self._realtime_bars,
            51: lambda f: self.bar_requests.discard(int(f[2])),
            58: lambda _: gateway.global_cancel(self.client_id or 0),
            59: self._ignore,
            61: self._positions,
            62: self._account_summary,
            63: self._ignore,
            64: self._stop_positions,
            START_API: self._start,
            76: self._account_multi,
            77: self._ignore,
            91: lambda f: self.send([93, f[1], 1, 0.0, gateway.product.tick_size]),
            92: self._pnl,
            93: self._ignore,
            94: self._pnl_single,
            95: self._ignore,
            99: self._completed,
        }

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A socket was accepted."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Works off whole frames; bytes that are none end the connection, not the server."""
        try:
            for payload in self._reader.feed(data):
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
        if self._transport is None:
            return
        peer = self._transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    def send(self, fields: Sequence[Field]) -> None:
        """Queues a frame; `flush` writes all that is queued at once."""
        self._out.append(frame(fields))

    def flush(self) -> None:
        """Writes what is queued."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    @property
    def formatter(self) -> Formatter:
        """Frames at this client's server version."""
        if self._format is None:
            raise MalformedFrame("a request before the greeting")
        return self._format

    def _receive(self, payload: bytes) -> None:
        if self._version == 0:
            self._greet(payload)
            return
        fields = split(payload)
        self._pace()
        try:
            number = int(fields[0])
            self._handler(number)(fields)
        except Refused as refused:
            self.send(self.formatter.error(refused.request_id, refused.code, refused.text))
        except (ValueError, IndexError, KeyError, ArithmeticError) as error:
            self._gateway.note_malformed(f"message {fields[0]}: {error}")
            self.send(self.formatter.error(-1, 321, f"error validating request: {error}"))

    def _handler(self, number: int) -> Callable[[list[str]], None]:
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
        self._format = Formatter(version, gateway.contract, gateway.product, gateway.account)
        self.send([version, gateway.clock_text()])

    def _pace(self) -> None:
        now_s = self._gateway.monotonic_s()
        self._recent.append(now_s)
        while self._recent[0] < now_s - 1:
            self._recent.popleft()
        if len(self._recent) > MESSAGES_PER_S_MAX:
            self.send(self.formatter.error(-1, 100, "Max rate of messages per second has been exceeded"))

    def _ignore(self, _fields: list[str]) -> None:
        """A request that needs no answer here."""

    def _start(self, fields: list[str]) -> None:
        wanted = int(fields[2])
        if self.client_id is not None:
            raise Refused(-1, 321, "startApi was sent before")
        if not self._gateway.admit(self, wanted):
            self.send(self.formatter.error(-1, 326, "Unable to connect as the client id is already in use."))
            self.close()
            return
        self.client_id = wanted
        self._orders = OrderRequests(
            self._gateway,
            client_id=wanted,
            version=self._version,
            formatter=self.formatter,
            send=self.send,
        )
        self.send([15, 1, self._gateway.account])
        self._next_id()
        for code, message in NOTICES:
            self.send(self.formatter.error(-1, code, message))

    def _next_id(self) -> None:
        self.send([9, 1, self._gateway.next_order_id(self.client_id or 0)])

    # --- contract and market data ---

    def _need(self, request_id: int, contract: list[str]) -> None:
        require_contract(request_id, contract, self._gateway.contract, self._gateway.product)

    def _contract_details(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields[3:15])
        self.send(self.formatter.contract_details(request_id))
        self.send([52, 1, request_id])

    def _market_data(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields[3:15])
        self.tick_requests.add(request_id)
        self.send([58, 1, request_id, 1])

    def _realtime_bars(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields[3:15])
        if fields[16] != "TRADES":
            raise Refused(request_id, 321, "only TRADES bars are simulated")
        self.bar_requests.add(request_id)

    def _history(self, fields: list[str]) -> None:
        request_id = int(fields[1])
        self._need(request_id, fields[CONTRACT])
        end, size, duration, what, form, keep = (
            fields[15],
            fields[16],
            fields[17],
            fields[19],
            fields[20],
            fields[21],
        )
        if keep == "1" or end != "":
            raise Refused(request_id, 321, "keepUpToDate and an end time are not simulated; leave both out")
        timeframe = BAR_SIZES.get(size)
        if timeframe is None or what != "TRADES":
            allowed = ", ".join(BAR_SIZES)
            raise Refused(request_id, 321, f"{size} of {what} is not simulated; TRADES of {allowed} are")
        try:
            bars = self._gateway.history(timeframe, duration)
        except ValueError as error:
            raise Refused(request_id, 162, f"Historical Market Data Service error: {error}") from error
        self.send(self.formatter.historical(request_id, bars, epoch=form == "2"))

    # --- account ---

    def _positions(self, _fields: list[str]) -> None:
        self.wants_positions = True
        self.send_position()
        self.send([62, 1])

    def _stop_positions(self, _fields: list[str]) -> None:
        self.wants_positions = False

    def send_position(self) -> None:
        """The position as it is; told once it has existed."""
        exchange = self._gateway.exchange
        if exchange.executions():
            self.send(self.formatter.position(exchange.position_contracts, exchange.average_price_ticks))

    def _account_updates(self, fields: list[str]) -> None:
        self.wants_account = fields[2] == "1"
        if self.wants_account:
            self.send_account()
            self.send([8, 1, self._gateway.clock_text()[9:14]])
            self.send([54, 1, self._gateway.account])

    def send_account(self) -> None:
        """The account's values."""
        for tag, value in account_lines(self._gateway.exchange.account()):
            self.send(self.formatter.account_value(tag, value))

    def _account_multi(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        for tag, value in account_lines(self._gateway.exchange.account()):
            self.send([73, 1, request_id, self._gateway.account, "", tag, value, "USD"])
        self.send([74, 1, request_id])

    def _account_summary(self, fields: list[str]) -> None:
        request_id, wanted = int(fields[2]), set(fields[4].split(","))
        for tag, value in account_lines(self._gateway.exchange.account()):
            if tag in wanted or "All" in wanted:
                self.send([63, 1, request_id, self._gateway.account, tag, value, "USD"])
        self.send([64, 1, request_id])

    def _pnl(self, fields: list[str]) -> None:
        values = self._gateway.exchange.account()
        realized, unrealized = values.realized_usd, values.unrealized_usd
        self.send([94, int(fields[1]), realized + unrealized, unrealized, realized])

    def _pnl_single(self, fields: list[str]) -> None:
        exchange = self._gateway.exchange
        values = exchange.account()
        realized, unrealized = values.realized_usd, values.unrealized_usd
        request_id = int(fields[1])
        position = exchange.position_contracts
        self.send([95, request_id, position, realized + unrealized, unrealized, realized, Decimal(0)])

    # --- orders ---

    @property
    def orders(self) -> OrderRequests:
        """Order requests of a client that has its id."""
        if self._orders is None:
            raise MalformedFrame("a request before startApi")
        return self._orders

    def _place(self, fields: list[str]) -> None:
        self.orders.place(fields)

    def _cancel(self, fields: list[str]) -> None:
        self.orders.cancel(int(fields[2]))

    def _open_orders(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.working_orders():
            if order.client_id == self.client_id:
                self.orders.send_order(order)
        self.send([53, 1])

    def _all_open_orders(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.working_orders():
            self.orders.send_order(order)
        self.send([53, 1])

    def _completed(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.orders():
            if order.state.is_final:
                self.send(self.formatter.completed_order(order))
        self.send([102])

    def _executions(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        try:
            wanted = ExecutionFilter.parsed(fields[EXECUTION_FILTER])
        except ValueError as error:
            raise Refused(request_id, 321, f"Error validating request: {error}") from error
        gateway = self._gateway
        for execution in gateway.exchange.executions():
            if wanted.admits(
                execution,
                account=gateway.account,
                symbol=gateway.contract.symbol,
                security_type="FUT",
                exchange=gateway.product.exchange,
            ):
                self.send(self.formatter.execution(request_id, execution, execution.order.order_id))
                self.send(self.formatter.commission(execution))
        self.send([55, 1, request_id])
