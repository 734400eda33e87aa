"""Where a download gets its bars from: one session after the other with the same broker."""

from typing import Protocol

from mia_actors.broker.history_plan import Chunk
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.session import Connection
from mia_actors.core.units import Contract, Product


class HistorySource(Protocol):
    """A broker that is asked for bars."""

    def connect(self) -> Contract:
        """Connects, again where it was, and finds the contract; one attempt.

        Raises:
            BrokerDisconnected: refused or not answered.
            ConfigError: there is no such contract, or more than one.
        """
        ...

    def now_ns(self) -> int:
        """The broker's clock."""
        ...

    def bars(self, chunk: Chunk, timeframe: Timeframe) -> list[Bar]:
        """The answer to one request, whatever it holds; empty where the broker says that there is no data.

        Raises:
            MiaError: by its kind: again later, or never.
        """
        ...

    def close(self) -> None:
        """Harmless when it is not connected."""
        ...


class IbHistorySource:
    """TWS, IB Gateway or the simulated gateway; no order and no account is touched."""

    def __init__(
        self, connection: Connection, product: Product, *, month: str, limits: SessionLimits, clock: Clock
    ) -> None:
        """Takes a contract `month` as `YYYYMM`; it may have expired."""
        self._connection = connection
        self._product = product
        self._month = month
        self._limits = limits
        self._clock = clock
        self._session: IbSession | None = None

    def connect(self) -> Contract:
        """See `HistorySource.connect`."""
        self.close()
        session = self._session = IbSession(
            self._connection,
            self._product,
            limits=self._limits,
            events=SessionEvents(on_bar=lambda _: None, on_fill=lambda _: None, on_disconnect=lambda: None),
            monotonic_ns=lambda: round(self._clock.monotonic_s() * NS_PER_S),
        )
        session.connect()
        return session.choose_contract(month=self._month, roll_days=0, include_expired=True)

    def now_ns(self) -> int:
        """See `HistorySource.now_ns`."""
        return self._connected().broker_time_ns()

    def bars(self, chunk: Chunk, timeframe: Timeframe) -> list[Bar]:
        """See `HistorySource.bars`."""
        return self._connected().history(timeframe, chunk.duration, end_ns=chunk.to_ns)

    def close(self) -> None:
        """See `HistorySource.close`."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _connected(self) -> IbSession:
        if self._session is None:
            raise BrokerDisconnected("not connected")
        return self._session
