"""When a stream of bars is stale, and when it is only quiet."""

import asyncio
from datetime import UTC, datetime

import pytest

from mia_actors.broker.liveness import Liveness, LivenessLimits, StreamWatch, is_open
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import BrokerDisconnected, DataStale, MiaError

LIMITS = LivenessLimits(heartbeat_s=0.01, stale_after_s=30.0)
OPEN_NS = time_ns_of(datetime(2026, 3, 10, 15, 0, tzinfo=UTC))
BREAK_NS = time_ns_of(datetime(2026, 3, 10, 21, 30, tzinfo=UTC))  # 16:30 Chicago
SATURDAY_NS = time_ns_of(datetime(2026, 3, 14, 15, 0, tzinfo=UTC))
LATE_NS = 31 * NS_PER_S


@pytest.mark.parametrize(
    ("broker_ns", "later_s", "silent_ns", "stale"),
    [
        (OPEN_NS, 60, LATE_NS, True),
        (OPEN_NS, 60, LATE_NS - 2 * NS_PER_S, False),  # not long enough
        (OPEN_NS, 4, LATE_NS, False),  # no bar is due: the market stands, as in lockstep
        (BREAK_NS, 60, LATE_NS, False),
        (SATURDAY_NS, 60, LATE_NS, False),
    ],
)
def test_a_stream_is_stale_when_a_bar_is_due_in_an_open_market_and_none_came(
    broker_ns: int, later_s: int, silent_ns: int, *, stale: bool
) -> None:
    watch = StreamWatch(LIMITS, broker_ns=broker_ns, monotonic_ns=0)
    assert watch.is_stale(broker_ns + later_s * NS_PER_S, silent_ns) is stale


def test_a_bar_makes_it_fresh() -> None:
    watch = StreamWatch(LIMITS, broker_ns=OPEN_NS, monotonic_ns=0)
    watch.heard(OPEN_NS + 60 * NS_PER_S, LATE_NS)
    assert not watch.is_stale(OPEN_NS + 66 * NS_PER_S, LATE_NS + NS_PER_S)


@pytest.mark.parametrize(
    ("day", "utc", "expected"),
    [
        ((2026, 3, 9), (22, 0), True),  # Monday evening, Tuesday's session
        ((2026, 3, 8), (21, 59), False),  # Sunday before 17:00 Chicago
        ((2026, 3, 8), (22, 0), True),
        ((2026, 3, 13), (20, 59), True),
        ((2026, 3, 13), (21, 0), False),  # Friday's close
        ((2026, 12, 25), (15, 0), False),
    ],
)
def test_the_market_is_open_by_the_exchange_s_calendar(
    day: tuple[int, int, int], utc: tuple[int, int], *, expected: bool
) -> None:
    assert is_open(time_ns_of(datetime(*day, *utc, tzinfo=UTC))) is expected


def _ended_by(answer_ns: int | None, monotonic_ns: int) -> MiaError:
    """What a session is ended by whose broker answers with that time, or not at all."""

    async def run() -> MiaError:
        ended: asyncio.Future[MiaError] = asyncio.get_running_loop().create_future()
        asked = 0

        async def ask() -> int:
            nonlocal asked
            asked += 1
            if asked == 1:
                return OPEN_NS
            if answer_ns is None:
                await asyncio.sleep(3600)
            return answer_ns or 0

        liveness = Liveness(
            LIMITS, ask_time_ns=ask, monotonic_ns=lambda: monotonic_ns * (asked > 1), on_dead=ended.set_result
        )
        await liveness.begin()
        try:
            return await asyncio.wait_for(ended, 10.0)
        finally:
            liveness.end()

    return asyncio.run(run())


def test_a_broker_that_does_not_answer_ends_the_session() -> None:
    assert isinstance(_ended_by(None, 0), BrokerDisconnected)


def test_a_broker_that_answers_and_streams_nothing_ends_the_session() -> None:
    assert isinstance(_ended_by(OPEN_NS + 60 * NS_PER_S, LATE_NS), DataStale)
