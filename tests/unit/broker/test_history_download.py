"""What a download makes of a broker that complains, goes away, has nothing, or is cut off by Ctrl-C."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mia_actors.broker.codes import error_of
from mia_actors.broker.history_download import (
    Activity,
    DownloadLimits,
    HistoryDownload,
    Progress,
    Report,
    description_of,
)
from mia_actors.broker.history_plan import Chunk, HistoryRange
from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import (
    BrokerDisconnected,
    ConfigError,
    MiaError,
    PacingExceeded,
    PermanentError,
    PermissionMissing,
    TransientError,
)
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import Contract
from mia_actors.store.tape_parts import TapeParts, folder_of

WANTED = HistoryRange(first_day=date(2013, 10, 3), last_day=date(2013, 10, 9), timeframe=Timeframe.M1)
BARS_PER_DAY = 3
LOST = BrokerDisconnected("cut")
LIMITS = DownloadLimits(reconnect_within_s=100.0)


class Broker:
    """Answers from a script of what goes wrong; an answer begins before and ends after its window."""

    def __init__(
        self, *troubles: BaseException, con_id: int = 7, closed: str = "", connects_max: int = 100
    ) -> None:
        self.troubles = list(troubles)
        self.con_id = con_id
        self.closed = closed
        self.asked: list[str] = []
        self.connects_left = connects_max

    def connect(self) -> Contract:
        if not self.connects_left:
            raise BrokerDisconnected("connection refused")
        self.connects_left -= 1
        return Contract(symbol="ES", expiry="20131220", con_id=self.con_id)

    def now_ns(self) -> int:
        return WANTED.end_ns

    def bars(self, chunk: Chunk, timeframe: Timeframe) -> list[Bar]:
        self.asked.append(chunk.name)
        if self.troubles:
            trouble = self.troubles.pop(0)
            if trouble is not NONE:
                raise trouble
        if chunk.name == self.closed:
            return [_bar(chunk.from_ns - timeframe.ns)]
        starts = [chunk.from_ns + number * timeframe.ns for number in range(-1, BARS_PER_DAY)]
        return [_bar(start_ns) for start_ns in (*reversed(starts), chunk.to_ns)]

    def close(self) -> None:
        """Nothing is open."""


NONE = Exception("all is well")


def _bar(start_ns: int) -> Bar:
    ticks = 6700 + start_ns // NS_PER_S % 97
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M1,
        start_ns=start_ns,
        open_ticks=ticks,
        high_ticks=ticks,
        low_ticks=ticks,
        close_ticks=ticks,
        volume=1,
    )


class Desk:
    """Starts downloads of one file."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "es.parquet"
        self.clock = VirtualClock(WANTED.end_ns)
        self.told: list[Progress] = []

    def run(self, broker: Broker, wanted: HistoryRange = WANTED) -> Report:
        with TapeParts.held(self.out, description_of(wanted, "ESZ13")) as parts:
            return HistoryDownload(
                wanted,
                symbol="ES",
                name="ESZ13",
                parts=parts,
                source=broker,
                clock=self.clock,
                limits=LIMITS,
                on_progress=self.told.append,
            ).run()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    desk = Desk(tmp_path_factory.mktemp("undisturbed"))
    desk.run(Broker())
    return desk.out.read_bytes()


def test_the_bars_of_the_range_are_in_the_file_each_once_in_order(desk: Desk) -> None:
    report = desk.run(Broker())
    rows = pq.read_table(desk.out)
    starts = rows.column("ts").cast("int64").to_pylist()
    assert starts == sorted(set(starts))
    assert report.bars == len(starts) == BARS_PER_DAY * len(WANTED.days)
    assert (report.requests, report.days, report.empty_days) == (5, 5, ())
    assert set(rows.column("contract").to_pylist()) == {"ESZ13"}
    assert not folder_of(desk.out).exists()


@pytest.mark.parametrize("after", range(5))
def test_ctrl_c_anywhere_and_the_same_command_again_make_the_same_file(
    desk: Desk, undisturbed: bytes, after: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        desk.run(Broker(*[NONE] * after, KeyboardInterrupt()))
    assert not desk.out.exists()
    again = Broker()
    report = desk.run(again)
    assert (report.chunks_kept, len(again.asked)) == (after, 5 - after)
    assert desk.out.read_bytes() == undisturbed


def test_whatever_passes_is_waited_out_and_leaves_no_trace_in_the_file(
    desk: Desk, undisturbed: bytes
) -> None:
    report = desk.run(Broker(error_of(162, "pacing violation"), NONE, LOST, TransientError("busy"), LOST))
    assert desk.out.read_bytes() == undisturbed
    assert (report.requests, report.refusals, report.reconnects) == (9, 1, 2)
    assert report.waited_s > 15
    assert {one.activity for one in desk.told} == set(Activity)


def test_a_broker_that_does_not_come_back_ends_the_download_and_the_parts_stay(desk: Desk) -> None:
    broker = Broker(NONE, LOST, connects_max=1)
    with pytest.raises(BrokerDisconnected, match=r"not back within 100 s .*the same command goes on"):
        desk.run(broker)
    assert desk.clock.monotonic_s() <= 101
    assert desk.run(Broker()).chunks_kept == 1


def test_a_day_without_bars_is_noted_and_no_error(desk: Desk) -> None:
    """The broker answers with older bars, as TWS does."""
    report = desk.run(Broker(closed="2013-10-07"))
    assert report.empty_days == ("2013-10-07",)
    assert report.bars == BARS_PER_DAY * 4


def test_a_range_without_any_bar_makes_no_file(desk: Desk) -> None:
    one_day = HistoryRange(first_day=date(2013, 10, 7), last_day=date(2013, 10, 7), timeframe=Timeframe.M1)
    with pytest.raises(PermanentError, match="no bars from 2013-10-07"):
        desk.run(Broker(closed="2013-10-07"), one_day)
    assert not desk.out.exists()


def test_a_finished_download_asks_nobody_again(desk: Desk) -> None:
    first = desk.run(Broker(closed="2013-10-07"))
    again = desk.run(Broker(connects_max=0))
    assert (again.bars, again.empty_days, again.requests) == (first.bars, first.empty_days, 0)
    assert not folder_of(desk.out).exists()


@pytest.mark.parametrize(
    ("trouble", "kind", "says"),
    [
        (error_of(162, "No market data permissions for CME FUT"), PermissionMissing, "subscribe to CME"),
        (error_of(354, "Requested market data is not subscribed"), PermissionMissing, "subscribe to CME"),
        (error_of(200, "No security definition"), ConfigError, "no such contract"),
        (ValueError("price 1.1 is not a multiple"), PermanentError, "no ES bars: price 1.1"),
    ],
)
def test_what_is_final_ends_the_download_with_its_remedy(
    desk: Desk, trouble: Exception, kind: type[MiaError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        desk.run(Broker(trouble))


def test_endless_trouble_with_one_chunk_ends_by_itself(desk: Desk) -> None:
    with pytest.raises(PacingExceeded):
        desk.run(Broker(*[PacingExceeded("slow down")] * 100))
    with pytest.raises(TransientError, match="busy"):
        desk.run(Broker(*[TransientError("busy")] * 100))
    with pytest.raises(BrokerDisconnected, match="cut"):
        desk.run(Broker(*[LOST] * 100))


def test_parts_of_another_broker_s_contract_are_not_mixed_in(desk: Desk) -> None:
    with pytest.raises(KeyboardInterrupt):
        desk.run(Broker(NONE, KeyboardInterrupt()))
    with pytest.raises(ConfigError, match="con_id 7; asked for: con_id 8"):
        desk.run(Broker(con_id=8))


def test_a_day_that_is_not_over_is_refused(desk: Desk) -> None:
    later = HistoryRange(first_day=date(2013, 10, 9), last_day=date(2013, 10, 10), timeframe=Timeframe.M1)
    with pytest.raises(ConfigError, match="only whole days"):
        desk.run(Broker(), later)


def test_a_broker_that_is_not_there_at_the_beginning_is_no_reason_to_wait(desk: Desk) -> None:
    with pytest.raises(BrokerDisconnected, match="start TWS or IB Gateway"):
        desk.run(Broker(connects_max=0))
    assert desk.clock.now_ns() == WANTED.end_ns
    assert not folder_of(desk.out).exists()
