"""The simulated gateway's control port as a `MarketGate`."""

from mia_actors.broker.control_line import ControlLine
from mia_actors.core.clock import Clock
from mia_actors.core.errors import BrokerDisconnected, TransientError
from mia_actors.core.ports import MarketGate
from mia_actors.core.session import SessionInfo

ANSWER_WITHIN_S = 10.0
PATIENCE_S = 30.0
"""Longer than a gateway that died needs to be there again."""


class OpenGate:
    """No lockstep: the market waits for nobody and its end is not announced here."""

    def acknowledge(self, until_ns: int) -> bool:
        """Nothing to tell."""
        del until_ns
        return False


class LockstepGate:
    """Acknowledges for one role over TCP, as often as it takes: a gateway that died is waited for."""

    def __init__(
        self, host: str, port: int, role: str, *, patience_s: float = PATIENCE_S, clock: Clock | None = None
    ) -> None:
        self._role = role
        self._line = ControlLine(
            host, port, answer_within_s=ANSWER_WITHIN_S, patience_s=patience_s, clock=clock
        )

    def acknowledge(self, until_ns: int) -> bool:
        """See `MarketGate.acknowledge`.

        Raises:
            BrokerDisconnected: the gateway does not answer, or refuses.
        """
        try:
            return bool(self._line.ask({"op": "ack", "role": self._role, "until_ns": until_ns})["finished"])
        except BrokerDisconnected:
            raise
        except TransientError as refused:
            raise BrokerDisconnected(str(refused)) from refused

    def close(self) -> None:
        """Drops the connection."""
        self._line.close()


def market_gate(session: SessionInfo, *, role: str) -> MarketGate:
    """The gate of a session: lockstep where there is a control port, open elsewhere."""
    if session.control_port:
        return LockstepGate(session.control_host, session.control_port, role)
    return OpenGate()
