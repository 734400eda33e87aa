"""The contract that is traded, by the volumes that a broker tells; and what is held in another one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import ES
from mia_actors.exchange.gateway.process import GatewayProcess

pytestmark = pytest.mark.gateway
CLOCK = SystemClock()
LIMITS = SessionLimits(connect_timeout_s=10.0, request_timeout_s=10.0, ack_timeout_s=10.0)
OpenSession = Callable[..., IbSession]


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[OpenSession]:
    """A session with a gateway that lists December and March, whose volumes of the day before are given."""
    closing: list[Callable[[], None]] = []

    def make(december: int, march: int, *, listed_after: int = 1) -> IbSession:
        tape = tmp_path / f"{december}-{march}.csv"
        rows = [
            {
                "ts": moment,
                "contract": name,
                "open": 1800.0,
                "high": 1800.5,
                "low": 1799.5,
                "close": 1800.0,
                "volume": volume,
            }
            for day in ("2013-12-05", "2013-12-06")
            for name, volume in (("ESZ13", december), ("ESH14", march))
            for moment in pd.date_range(f"{day}T15:00Z", periods=60, freq="1min")
            if volume
        ]
        pd.DataFrame(rows).to_csv(tape, index=False)
        gateway = GatewayProcess.start(
            (
                *("--tape", str(tape), "--date", "2013-12-06", "--contract", "201312"),
                *("--expiries-after", str(listed_after)),
            )
        )
        connection = Connection(host="127.0.0.1", port=gateway.tws_port, client_id=11, mode=BrokerMode.SIM)
        session = IbSession(
            connection,
            ES,
            limits=LIMITS,
            events=SessionEvents(on_bar=_ignore, on_fill=_ignore, on_disconnect=lambda: None),
            monotonic_ns=lambda: round(CLOCK.monotonic_s() * NS_PER_S),
        )
        closing.extend((gateway.stop, session.close))
        session.connect()
        return session

    yield make
    for close in reversed(closing):
        close()


def _ignore(_: object) -> None:
    pass


def chosen(session: IbSession, *, month: str | None = None, expiry_days_min: int | None = 2) -> str:
    return session.choose_contract(month=month, roll_days=8, expiry_days_min=expiry_days_min).instrument


@pytest.mark.parametrize(("december", "march", "traded"), [(90, 10, "ESZ3"), (10, 90, "ESH4")])
def test_the_contract_with_the_volume_of_the_day_before_is_traded(
    open_session: OpenSession, december: int, march: int, traded: str
) -> None:
    assert chosen(open_session(december, march)) == traded


def test_where_a_near_expiry_has_no_volumes_the_days_to_expiry_decide(open_session: OpenSession) -> None:
    """June 2014 is listed, and nobody tells its volume: absent is unavailable, never zero."""
    assert chosen(open_session(10, 90, listed_after=2)) == "ESZ3"


def test_a_session_that_does_not_choose_by_volume_asks_for_none(open_session: OpenSession) -> None:
    assert chosen(open_session(10, 90), expiry_days_min=None) == "ESZ3"


def test_a_month_asked_for_is_taken_whatever_the_volumes_say(open_session: OpenSession) -> None:
    session = open_session(90, 10)
    assert chosen(session, month="201403") == "ESH4"
    with pytest.raises(ConfigError, match="201309"):
        chosen(session, month="201309")
