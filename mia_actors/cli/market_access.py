"""Market time, and a market that waits for the dead, for whoever halts without a guardian."""

from mia_actors.core.clock import Clock
from mia_actors.core.errors import BrokerDisconnected, TransientError
from mia_actors.core.session import SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.guardian.hands import Market


class RealMarket:
    """It waits for nobody; its time is the clock's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ns(self) -> int:
        """See `Market`."""
        return self._clock.now_ns()

    def go_on(self) -> None:
        """See `Market`."""


class SimulatedMarket:
    """The simulated gateway over its control port: acknowledges in the place of whomever it waits for."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._control: ControlClient | None = None

    def now_ns(self) -> int:
        """See `Market`."""
        try:
            return int(self._connected().status()["market_time_ns"])
        except (TransientError, OSError) as error:
            raise self._lost(error) from error

    def go_on(self) -> None:
        """See `Market`."""
        try:
            control = self._connected()
            status = control.status()
            for role in status["waiting_for"]:
                control.ack(role, int(status["market_time_ns"]))
        except (TransientError, OSError) as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Drops the connection; the next call makes another one."""
        control, self._control = self._control, None
        if control is not None:
            control.close()

    def _connected(self) -> ControlClient:
        if self._control is None:
            self._control = ControlClient(*self._address, patience_s=0.0)  # its caller tries again
        return self._control

    def _lost(self, error: Exception) -> BrokerDisconnected:
        self.close()
        return BrokerDisconnected(f"the gateway's control port does not answer: {error}")


def market_of(session: SessionInfo | None, clock: Clock) -> Market:
    """The market of a session: simulated where there is a control port."""
    if session is not None and session.control_port:
        return SimulatedMarket(session.control_host, session.control_port)
    return RealMarket(clock)
