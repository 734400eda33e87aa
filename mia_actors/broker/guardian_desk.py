"""The guardian's own session: its market data, everybody's executions, and what another client id may do."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from mia_actors.broker.loop_thread import Watched
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import Clock
from mia_actors.core.errors import BrokerDisconnected, ConfigError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, OrderReport, OrderSpec, OrderTerms
from mia_actors.core.session import Connection
from mia_actors.core.units import Contract, Product

Begun = TypeVar("Begun")

BACKFILL = "1800 S"
BACKOFF_MIN_S = 0.02
BACKOFF_MAX_S = 1.0


class GuardianSession:
    """One connection at a time, as a `GuardianDesk`; the gateway's master client id, so it sees every client.

    Callbacks run in the session's thread, in the order of the wire: executions of a bar before the bar.
    """

    def __init__(
        self,
        connection: Connection,
        product: Product,
        *,
        contract_month: str | None,
        roll_days: int,
        limits: SessionLimits,
        monotonic_ns: Callable[[], int],
        events: SessionEvents,
        watched: Watched | None = None,
        live: bool = False,
    ) -> None:
        """Asks for trades, quotes and the broker's open profit too where the market is `live`, not in lockstep."""
        self._live = live
        self._session = IbSession(
            connection, product, limits=limits, events=events, monotonic_ns=monotonic_ns, watched=watched
        )
        self._contract_month = contract_month
        self._roll_days = roll_days

    def connect(self, *, with_bars: bool = True) -> Contract:
        """Connects, chooses the contract, subscribes to its bars where wanted; one attempt.

        Raises:
            BrokerDisconnected: refused, or a list did not come to its end.
        """
        try:
            self._session.connect()
            contract = self._choose()
            if with_bars:
                self._session.subscribe_bars()
            if self._live:
                self._session.subscribe_account()
        except BaseException:
            self._session.close()
            raise
        return contract

    def _choose(self) -> Contract:
        """The month wanted; one that is not listed (any more) must not keep anybody from halting."""
        try:
            return self._session.choose_contract(month=self._contract_month, roll_days=self._roll_days)
        except ConfigError:
            if self._contract_month is None:
                raise
            return self._session.choose_contract(month=None, roll_days=self._roll_days)

    def close(self) -> None:
        """Ends the connection."""
        self._session.close()

    def fills(self) -> tuple[Fill, ...]:
        """Executions of the day of all clients."""
        return self._session.fills()

    def equity_usd(self) -> Decimal:
        """Equity by the broker's word at the connect."""
        return self._session.net_liquidation_usd()

    def account(self) -> str:
        """The account traded."""
        return self._session.account()

    def all_order_terms(self) -> tuple[OrderTerms, ...]:
        """Prices of the orders heard of; those of all clients that work are asked for first."""
        self._session.working_orders()
        return self._session.order_terms()

    def recent_bars(self) -> tuple[Bar, ...]:
        """Closed 5-second bars of the last half hour by the broker's history, oldest first."""
        return tuple(self._session.history(Timeframe.S5, BACKFILL))

    def last_bar(self) -> Bar | None:
        """The newest of them; None before the first."""
        found = self.recent_bars()
        return found[-1] if found else None

    def global_cancel(self) -> None:
        """See `GuardianDesk.global_cancel`."""
        self._session.global_cancel()

    def working_orders(self) -> int:
        """See `GuardianDesk.working_orders`."""
        return self._session.working_orders()

    def position_contracts(self) -> int:
        """See `GuardianDesk.position_contracts`."""
        return self._session.position_contracts()

    def place_offset(self, order: OrderSpec) -> OrderReport:
        """See `GuardianDesk.place_offset`."""
        (report,) = self._session.place([order])
        return report

    def offset_report(self, order_ref: str) -> OrderReport | None:
        """See `GuardianDesk.offset_report`."""
        found = {report.order_ref: report for report in self._session.snapshot().orders}
        return found.get(order_ref)


def connected(
    make: Callable[[], GuardianSession], *, within_s: float, clock: Clock, stop: Callable[[], bool]
) -> tuple[GuardianSession, Contract]:
    """See `begun`: a connected session and its contract."""
    return begun(
        make,
        lambda session, contract: (session, contract),
        within_s=within_s,
        clock=clock,
        stop=stop,
    )


def begun(
    make: Callable[[], GuardianSession],
    begin: Callable[[GuardianSession, Contract], Begun],
    *,
    within_s: float,
    clock: Clock,
    stop: Callable[[], bool],
) -> Begun:
    """What `begin` makes of a connected session, by as many whole attempts as fit into the time.

    A dead predecessor's client id frees soon; a connection lost while `begin` reads is an attempt that failed.

    Raises:
        BrokerDisconnected: the last attempt's reason.
    """
    deadline_s = clock.monotonic_s() + within_s
    backoff_s = BACKOFF_MIN_S
    while True:
        session = make()
        try:
            return begin(session, session.connect())
        except BrokerDisconnected:
            session.close()
            if clock.monotonic_s() + backoff_s > deadline_s or stop():
                raise
            clock.sleep_s(backoff_s)
            backoff_s = min(BACKOFF_MAX_S, backoff_s * 2)
        except BaseException:
            session.close()
            raise
