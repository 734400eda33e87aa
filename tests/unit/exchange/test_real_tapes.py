"""Real ES bars, where they are at hand: they load, expand exactly, and gave the committed profile."""

import datetime as dt
import os
from pathlib import Path

import pytest

from mia_actors.core.market import BarBuilder, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.fit import fit, read_days
from mia_actors.exchange.profile import es_profile
from mia_actors.exchange.tape import TapeSelection, load_tape

SHARED = Path(os.environ.get("MIA_SHARED", Path(__file__).parents[4] / "shared"))
ONE_MINUTE = SHARED / "data" / "es_1m_2013_2020.parquet"
FIVE_MINUTES = SHARED / "data" / "es_5m_2015_2021.parquet"

pytestmark = pytest.mark.skipif(
    not (ONE_MINUTE.exists() and FIVE_MINUTES.exists()),
    reason="no real bars: set MIA_SHARED, or put shared/ beside the repository",
)


@pytest.mark.parametrize(
    ("path", "day", "instrument", "timeframe", "bars"),
    [
        (ONE_MINUTE, dt.date(2013, 10, 8), "ESZ3", Timeframe.M1, 1366),
        (ONE_MINUTE, dt.date(2020, 1, 6), "ESH0", Timeframe.M1, None),
        (FIVE_MINUTES, dt.date(2018, 2, 5), "ESH8", Timeframe.M5, 273),
        (FIVE_MINUTES, dt.date(2020, 3, 16), "ESH0", Timeframe.M5, None),
    ],
)
def test_day_loads_and_every_bar_expands_exactly(
    path: Path, day: dt.date, instrument: str, timeframe: Timeframe, bars: int | None
) -> None:
    tape = load_tape(TapeSelection(source=str(path), date=day))
    assert tape.base_timeframe is timeframe
    assert tape.contract.instrument == instrument
    assert bars is None or len(tape.bars) == bars
    assert {trade_date(bar.start_ns) for bar in tape.bars} == {day}
    for bar in tape.bars:
        builder = BarBuilder(timeframe)
        assert [built for small in expand(bar) for built in builder.add(small)] == [bar]


def test_history_is_of_the_same_contract() -> None:
    tape = load_tape(TapeSelection(source=str(FIVE_MINUTES), date=dt.date(2018, 2, 5)))
    assert {bar.instrument for bar in tape.history} == {"ESH8"}
    assert len({trade_date(bar.start_ns) for bar in tape.history}) == 5


def test_committed_profile_is_the_fit_of_these_tapes() -> None:
    assert fit(read_days(FIVE_MINUTES), read_days(ONE_MINUTE)) == es_profile()
