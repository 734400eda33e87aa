"""The deadman's broker session: no market data, nothing but the account and what may be done to it.

Every list it asks for holds all clients' entries without being the master client, so it works beside a guardian
that is.
"""

from collections.abc import Callable
from dataclasses import replace

from mia_actors.broker.guardian_desk import GuardianSession
from mia_actors.broker.session import SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.session import Connection
from mia_actors.core.units import Product
from mia_actors.guardian.silence import DeadmanSettings

ROLL_DAYS = 8


class DeadmanSession(GuardianSession):
    """A guardian's session that knows its contract's name."""

    instrument = ""


def session_maker(
    settings: DeadmanSettings,
    connection: Connection,
    product: Product,
    *,
    traded_month: Callable[[], str | None],
    roll_days: int,
    clock: Clock,
) -> Callable[[], DeadmanSession]:
    """What makes a connected session, by one attempt that raises `BrokerDisconnected` where it fails.

    It is about the contract whose month `traded_month` tells then, where that is still listed.
    """
    limits = SessionLimits(
        connect_timeout_s=settings.connect_timeout_s,
        request_timeout_s=settings.request_timeout_s,
        ack_timeout_s=settings.request_timeout_s,
    )

    def connect() -> DeadmanSession:
        session = DeadmanSession(
            replace(connection, halts_only=True),
            product,
            contract_month=traded_month(),
            roll_days=roll_days,
            limits=limits,
            monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S),
            events=SessionEvents(on_bar=lambda _: None, on_fill=lambda _: None, on_disconnect=lambda: None),
        )
        session.instrument = session.connect(with_bars=False).instrument
        return session

    return connect
