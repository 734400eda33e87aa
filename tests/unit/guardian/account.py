"""Fills, bars and a broker's desk for the guardian's tests; every figure a test expects is derived from these.

One ES tick is 0.25 index points of 50 USD: 12.50 USD a contract.
"""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import BrokerDisconnected, OrderRejected
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, OrderReport, OrderSpec, OrderState, OrderTerms, Side
from mia_actors.core.session import BrokerMode, Connection, SessionInfo

INSTRUMENT = "ESZ3"
TICK_USD = Decimal("12.50")
ENTRY = 6600
NOON_NS = 1_381_251_600 * NS_PER_S
"""Tuesday 2013-10-08, 12:00 in Chicago: five hours before the trade date ends."""

CONNECTION = Connection(host="127.0.0.1", port=1, client_id=12, mode=BrokerMode.SIM)


def session_info(directory: Path) -> SessionInfo:
    """A session without a control port whose state and files are in one directory."""
    return SessionInfo(
        session_id="s1",
        state_dir=str(directory),
        session_dir=str(directory),
        symbol="ES",
        contract_month=None,
        base_timeframe=Timeframe.M1,
        lockstep=False,
        control_host="127.0.0.1",
        control_port=0,
        connections=(("guardian", CONNECTION),),
    )


def fill(
    number: int,
    side: Side,
    price_ticks: int,
    *,
    quantity: int = 1,
    at_s: float | None = None,
    commission_usd: Decimal | None = Decimal(0),
) -> Fill:
    """Execution `number`, that many seconds after noon unless `at_s` says otherwise."""
    return Fill(
        exec_id=f"e{number:05d}",
        order_ref=f"t{number:05d}",
        perm_id=number,
        instrument=INSTRUMENT,
        side=side,
        quantity=quantity,
        price_ticks=price_ticks,
        event_time_ns=NOON_NS + round((number if at_s is None else at_s) * NS_PER_S),
        commission_usd=commission_usd,
    )


def round_trips(ticks: Iterable[int], *, every_s: float = 2.0, first: int = 1) -> list[Fill]:
    """Long trades of one contract with these results in ticks, one after the other."""
    fills: list[Fill] = []
    for index, gain in enumerate(ticks):
        number, opened_s = first + 2 * index, (index + 1) * every_s
        fills.append(fill(number, Side.BUY, ENTRY, at_s=opened_s - every_s / 2))
        fills.append(fill(number + 1, Side.SELL, ENTRY + gain, at_s=opened_s))
    return fills


def bar(end_s: float, close_ticks: int = ENTRY) -> Bar:
    """A 5-second bar that ends so many seconds after noon."""
    return Bar(
        instrument=INSTRUMENT,
        timeframe=Timeframe.S5,
        start_ns=NOON_NS + round((end_s - 5) * NS_PER_S),
        open_ticks=close_ticks,
        high_ticks=close_ticks,
        low_ticks=close_ticks,
        close_ticks=close_ticks,
        volume=10,
    )


class FakeDesk:
    """A broker: orders by reference, a position, and faults that are told in advance.

    `faults` are cuts of the line, in order: the next call of that name raises, `before` or `after` it took
    effect. `offset_states` says how the next offsets end; a state that is not final leaves one working. With
    `refuses_aloud` a refused offset is raised, as the session to a real broker does.
    """

    def __init__(self, *, position: int = 0, working: int = 0) -> None:
        self.position = position
        self.working = working
        self.calls: list[str] = []
        self.offsets: dict[str, tuple[OrderSpec, OrderState]] = {}
        self.positions_seen = [position]
        self.cancel_works = True
        self.refuses_aloud = False
        self.faults: list[tuple[str, str]] = []
        self.offset_states: list[OrderState] = []

    def global_cancel(self) -> None:
        """Cancels what works, own offsets included, where the market lets it."""
        self._enter("global_cancel")
        if self.cancel_works:
            self.working = 0
            for order_ref in [ref for ref, (_, state) in self.offsets.items() if not state.is_final]:
                self.settle(order_ref, OrderState.CANCELLED)
        self._leave("global_cancel")

    def working_orders(self) -> int:
        """Foreign orders and own offsets that are not final."""
        self._enter("working_orders")
        return self.working + sum(not state.is_final for _, state in self.offsets.values())

    def position_contracts(self) -> int:
        """The present position."""
        self._enter("position_contracts")
        return self.position

    def place_offset(self, order: OrderSpec) -> OrderReport:
        """Takes an order unless its reference is known."""
        self._enter("place_offset")
        if order.order_ref not in self.offsets:
            state = self.offset_states.pop(0) if self.offset_states else OrderState.FILLED
            self.offsets[order.order_ref] = (order, OrderState.WORKING)
            if state.is_final:
                self.settle(order.order_ref, state)
        self._leave("place_offset")
        report = self._report(order.order_ref)
        if self.refuses_aloud and report.state is OrderState.REJECTED:
            raise OrderRejected(order.order_ref)
        return report

    def offset_report(self, order_ref: str) -> OrderReport | None:
        """What became of an offset; None when it never arrived."""
        self._enter("offset_report")
        return self._report(order_ref) if order_ref in self.offsets else None

    def settle(self, order_ref: str, state: OrderState) -> None:
        """Ends a working offset; a filled one moves the position."""
        order, _ = self.offsets[order_ref]
        self.offsets[order_ref] = (order, state)
        if state is OrderState.FILLED:
            self.position += order.side.sign * order.quantity
            self.positions_seen.append(self.position)

    def fills(self, after_ns: int = -1) -> tuple[Fill, ...]:
        """Executions later than `after_ns`."""
        return tuple(found for found in self.executions if found.event_time_ns > after_ns)

    executions: tuple[Fill, ...] = ()

    def order_terms(self, order_ref: str) -> OrderTerms | None:
        """Nothing is known of any order."""
        del order_ref
        return None

    def _report(self, order_ref: str) -> OrderReport:
        order, state = self.offsets[order_ref]
        filled = order.quantity if state is OrderState.FILLED else 0
        return OrderReport(
            order_ref=order_ref, perm_id=1, state=state, filled=filled, remaining=order.quantity - filled
        )

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        self._cut(call, "before")

    def _leave(self, call: str) -> None:
        self._cut(call, "after")

    def _cut(self, call: str, when: str) -> None:
        if self.faults and self.faults[0] == (call, when):
            self.faults.pop(0)
            raise BrokerDisconnected(f"cut {when} {call}")
