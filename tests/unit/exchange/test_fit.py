"""The fit recovers what generated bars were made from: the loop is closed without any market data."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.exchange.fit import main
from mia_actors.exchange.profile import Profile, es_profile
from mia_actors.exchange.synthetic import Generator, front_contract

SESSIONS = 90


def write(path: Path, bars: list[Bar]) -> Path:
    table = pa.table(
        {
            "ts": pa.array([bar.start_ns for bar in bars], type=pa.timestamp("ns", tz="UTC")),
            "contract": ["202606"] * len(bars),
            "open": [bar.open_ticks / 4 for bar in bars],
            "high": [bar.high_ticks / 4 for bar in bars],
            "low": [bar.low_ticks / 4 for bar in bars],
            "close": [bar.close_ticks / 4 for bar in bars],
            "volume": [bar.volume for bar in bars],
        }
    )
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    last = dt.date(2026, 3, 10)
    days = [last - dt.timedelta(days=number) for number in range(SESSIONS * 7 // 5)]
    dates = tuple(reversed([day for day in days if day.weekday() < 5]))
    bars = list(Generator(es_profile(), 3).bars(front_contract(last), dates[:-1], dates[-1:]))
    builder = BarBuilder(Timeframe.M5)
    coarse = [built for bar in bars for built in builder.add(bar)]
    folder = tmp_path_factory.mktemp("tapes")
    return write(folder / "five.parquet", coarse), write(folder / "one.parquet", bars[-12 * 1380 :])


def test_fit_recovers_the_profile_the_bars_came_from(
    tapes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(path) for path in tapes]) == 0
    found, wanted = Profile.model_validate(json.loads(capsys.readouterr().out)), es_profile()
    assert np.corrcoef(found.volatility_shape, wanted.volatility_shape)[0, 1] > 0.95
    assert np.corrcoef(found.volume_shape, wanted.volume_shape)[0, 1] > 0.95
    assert found.minute_return_sd == pytest.approx(wanted.minute_return_sd, rel=0.5)
    assert found.minute_log_sd == pytest.approx(wanted.minute_log_sd, rel=0.5)
    assert found.minute_log_ar == pytest.approx(wanted.minute_log_ar, abs=0.02)
    assert found.tail_degrees < 6
    assert found.day_log_ar > 0.5
    assert found.open_step_probability == pytest.approx(wanted.open_step_probability, abs=0.02)
    assert found.gap_sd_days_weekend > 2 * found.gap_sd_days
    assert found.minute_volume_on_range == pytest.approx(wanted.minute_volume_on_range, rel=0.25)
    assert found.minute_volume_log_sd == pytest.approx(wanted.minute_volume_log_sd, rel=0.25)
    assert found.session_volume == pytest.approx(wanted.session_volume, rel=0.5)


def test_profile_is_a_distribution_over_the_session() -> None:
    profile = es_profile()
    assert sum(profile.volume_shape) == pytest.approx(1, abs=1e-4)
    assert np.sqrt(np.mean(np.square(profile.volatility_shape))) == pytest.approx(1, abs=1e-4)
    assert min(profile.volume_shape) > 0
    assert min(profile.volatility_shape) > 0


def test_fit_says_what_it_needs(tapes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
    assert main([str(tapes[1])]) == 2
    assert "no 5-minute tape among them" in capsys.readouterr().err
    assert main(["nowhere.parquet"]) == 2
    assert "no such file" in capsys.readouterr().err
