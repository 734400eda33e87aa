from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import ValidationError

from mia_actors.core.clock import VirtualClock
from mia_actors.core.errors import ConfigError, DataStale
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.session import SessionInfo
from mia_actors.features.actor import MARKET_FILE, FeatureWorker
from mia_actors.features.stream import FeatureStream
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext, parse_settings, settings_model
from mia_actors.supervision.ref import Ref

Prices = tuple[int, int, int, int, int]
Walk = Callable[[int, int], list[Prices]]
MakeBars = Callable[..., list[Bar]]


def _nobody(child_id: str) -> Ref:
    pytest.fail(f"a feature worker asked for {child_id}: all it reads is the journal")


def _crash(error: BaseException) -> NoReturn:
    raise error


def _worker(directory: Path, timeframe: str) -> FeatureWorker:
    session = SessionInfo(
        session_id="s",
        state_dir=str(directory),
        session_dir=str(directory),
        symbol="ES",
        contract_month=None,
        base_timeframe=Timeframe.M1,
        lockstep=True,
        control_host="127.0.0.1",
        control_port=0,
        connections=(),
    )
    context = ChildContext(
        child_id=f"features.{timeframe}",
        incarnation=1,
        session=session,
        clock=VirtualClock(),
        refs=_nobody,
        finish=lambda: None,
        crash=_crash,
    )
    settings = FeatureWorker.Settings.model_validate({"timeframe": timeframe})
    return FeatureWorker(settings, context)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[MarketJournal]:
    """An empty market journal, open for writing as the broker has it."""
    with MarketJournal.open(tmp_path / MARKET_FILE) as opened:
        yield opened


def test_worker_follows_the_journal_and_a_successor_agrees(
    tmp_path: Path, journal: MarketJournal, make_bars: MakeBars, walk: Walk
) -> None:
    """History and session bars alike; after each new bar the old worker and a fresh one say the same."""
    bars = make_bars(walk(21, 1000), Timeframe.M1)
    journal.add_base_bars(bars[:900], history=True)
    stream = FeatureStream(Timeframe.M5)
    for bar in bars[:900]:
        stream.feed(bar)
    worker = _worker(tmp_path, "5m")
    worker.start()
    for bar in bars[900:]:
        journal.add_base_bars([bar], history=False)
        if not stream.feed(bar):
            continue
        successor = _worker(tmp_path, "5m")
        successor.start()
        assert worker.features_at(bar.end_ns) == successor.features_at(bar.end_ns) == stream.current()
        successor.stop()
    worker.stop()


def test_bar_that_is_not_journaled_yet_is_stale(
    tmp_path: Path, journal: MarketJournal, make_bars: MakeBars, walk: Walk
) -> None:
    bars = make_bars(walk(22, 100), Timeframe.M1)
    journal.add_base_bars(bars[:-1], history=True)
    worker = _worker(tmp_path, "1m")
    worker.start()
    with pytest.raises(DataStale):
        worker.features_at(bars[-1].end_ns)
    worker.stop()


def test_worker_without_a_journal_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        _worker(tmp_path, "5m").start()


def test_worker_asked_before_start_says_so(tmp_path: Path) -> None:
    worker = _worker(tmp_path, "5m")
    worker.stop()
    with pytest.raises(RuntimeError, match="before start"):
        worker.features_at(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timeframe": "2m"}, "timeframe"),
        ({"timeframe": "5s"}, "5s bars are not read; allowed: 1m, 5m, 15m, 1h, 4h"),
        ({"timeframe": "5m", "window_bars": 59}, "greater than or equal to 60"),
        ({"timeframe": "5m", "bars": 60}, "Extra inputs"),
        ({}, "Field required"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_settings(settings_model(FeatureWorker), settings)
