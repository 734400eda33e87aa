"""`mia history download` as a process of its own, against the simulated gateway: killed, cut off, done twice."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.store.tape_parts import folder_of

pytestmark = pytest.mark.gateway
TAPE = "synthetic:7"
DAYS = 8
CLIENT_ID = 15
WAIT_S = 60.0
POLL_S = 0.02
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""SIGINT is ignored where the tests run in the background."""
MIA = (sys.executable, "-c", f"{INTERRUPTIBLE}; from mia_actors.cli.main import main; main()")


class Desk:
    """A gateway whose market has not begun, and downloads of the days before it.

    Its API is read-only, and TWS's limits to the pace of requests hold.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.gateway = GatewayProcess.start(("--tape", TAPE, "--history-days", str(DAYS), *arguments))
        self.control = ControlClient("127.0.0.1", self.gateway.control_port)
        self._started: list[subprocess.Popen[str]] = []
        tape = load_tape(TapeSelection(source=TAPE, history_days=DAYS))
        self.bars = tape.history
        days = sorted({trade_date(bar.start_ns) for bar in tape.history})
        self.first, self.last = days[0].isoformat(), days[-1].isoformat()
        self.contract = tape.contract

    def start(self, out: str, **changed: str) -> "subprocess.Popen[str]":
        options = {
            "--contract": self.contract.month,
            "--from": self.first,
            "--to": self.last,
            "--out": str(self.folder / out),
            "--port": str(self.gateway.tws_port),
            **{f"--{name}": value for name, value in changed.items()},
        }
        command = [
            *MIA,
            "history",
            "download",
            "--json",
            *(word for pair in options.items() for word in pair),
        ]
        self._started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return self._started[-1]

    def done(self, out: str, **changed: str) -> dict[str, Any]:
        process = self.start(out, **changed)
        said, complained = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, complained
        found: dict[str, Any] = json.loads(said)
        return found

    def refused(self, out: str, **changed: str) -> tuple[int, str]:
        process = self.start(out, **changed)
        _, complained = process.communicate(timeout=WAIT_S)
        return process.returncode, complained

    def has_parts(self, out: str, count: int) -> None:
        """Waits until so many are there, and the download waits for its pacing."""
        _until(lambda: len(list(folder_of(self.folder / out).glob("*.parquet"))) >= count)

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
        self.control.close()
        self.gateway.stop()


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(POLL_S)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path, "--read-only", "--pacing")
    yield found
    found.close()


@pytest.fixture
def poor_desk(tmp_path: Path) -> Iterator[Desk]:
    """Of a login without market data."""
    found = Desk(tmp_path, "--no-market-data")
    yield found
    found.close()


def test_killed_cut_off_and_interrupted_downloads_make_the_file_of_an_undisturbed_one(desk: Desk) -> None:
    undisturbed = desk.done("one.parquet")
    assert undisturbed["rows"] == len(desk.bars)
    assert undisturbed["empty_days"] == []

    killed = desk.start("two.parquet")
    desk.has_parts("two.parquet", 2)
    code, complained = desk.refused("two.parquet")
    assert (code, "another download writes it" in complained) == (2, True)
    killed.send_signal(signal.SIGKILL)
    killed.wait(WAIT_S)

    interrupted = desk.start("two.parquet")
    desk.has_parts("two.parquet", 6)
    interrupted.send_signal(signal.SIGINT)
    _, complained = interrupted.communicate(timeout=WAIT_S)
    assert (interrupted.returncode, "the same command goes on" in complained) == (130, True)

    last = desk.done("two.parquet")
    assert last["chunks_kept"] >= 6
    assert (desk.folder / "two.parquet").read_bytes() == (desk.folder / "one.parquet").read_bytes()

    cut = desk.start("three.parquet")
    desk.has_parts("three.parquet", 2)
    _until(lambda: desk.control.drop(CLIENT_ID))
    said, complained = cut.communicate(timeout=WAIT_S)
    assert json.loads(said)["reconnects"] >= 1, complained
    assert (desk.folder / "three.parquet").read_bytes() == (desk.folder / "one.parquet").read_bytes()


def test_the_file_is_a_tape_of_the_bars_the_broker_has(desk: Desk) -> None:
    desk.done("one.parquet", contract=f"ES{desk.contract.instrument[-2:]}", bar="5m")
    desk.done("two.parquet", to=desk.first)
    five = load_tape(TapeSelection(source=str(desk.folder / "one.parquet"), history_days=0))
    minutes = load_tape(TapeSelection(source=str(desk.folder / "two.parquet"), history_days=0))
    first_day = [bar for bar in desk.bars if trade_date(bar.start_ns).isoformat() == desk.first]
    assert list(minutes.bars) == first_day
    assert sum(bar.volume for bar in five.bars) == sum(bar.volume for bar in desk.bars)
    assert {bar.timeframe.seconds * NS_PER_S for bar in five.bars} == {300 * NS_PER_S}


def test_small_bars_are_paced_so_that_the_gateway_never_complains(desk: Desk) -> None:
    """Its rules are written independently; two dozen requests are more than two seconds allow."""
    found = desk.done("one.parquet", to=desk.first, bar="5s")
    assert (found["requests"], found["refusals"]) == (24, 0)
    first_day = [bar for bar in desk.bars if trade_date(bar.start_ns).isoformat() == desk.first]
    assert found["rows"] == len(first_day) * 12
    table = pq.read_table(desk.folder / "one.parquet")
    assert sum(table.column("volume").to_pylist()) == sum(bar.volume for bar in first_day)


def test_a_login_without_market_data_is_told_what_to_subscribe(poor_desk: Desk) -> None:
    code, complained = poor_desk.refused("one.parquet")
    assert (code, "subscribe to CME market data" in complained) == (1, True)


def test_what_cannot_be_is_refused_with_its_code(desk: Desk) -> None:
    desk.done("one.parquet", to=desk.first)
    code, complained = desk.refused("one.parquet")
    assert (code, "exists and holds another download" in complained) == (2, True)
    code, complained = desk.refused("two.parquet", contract="209912")
    assert (code, "no contract of month 209912" in complained) == (2, True)
    code, complained = desk.refused("two.parquet", to="2099-12-18")
    assert (code, "only whole days are downloaded" in complained) == (2, True)
    code, complained = desk.refused("two.parquet", **{"from": "2001-01-02", "to": "2001-01-02"})
    assert (code, "the broker has no bars" in complained) == (1, True)
    port = str(desk.gateway.tws_port)
    desk.gateway.stop()
    code, complained = desk.refused("two.parquet", port=port)
    assert (code, "start TWS or IB Gateway" in complained) == (1, True)
    assert not folder_of(desk.folder / "two.parquet").exists()
