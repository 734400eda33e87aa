"""The synthetic tape: the statistics of the fitted profile, the hours of CME, the same bars for a seed."""

import datetime as dt
import hashlib
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from mia_actors.core.clock import NS_PER_S, time_ns_of, utc_datetime
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.fit import Days, Grid, moments
from mia_actors.exchange.profile import BIN_MINUTES, SESSION_MINUTES, es_profile
from mia_actors.exchange.synthetic import Generator, front_contract
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape

CHICAGO = ZoneInfo("America/Chicago")
SESSIONS = 150
COMMITTED_CLOSES = [10_000, 10_021, 10_060, 10_051]
COMMITTED_VOLUME = 811_165


def load(source: str = "synthetic", **choice: object) -> Tape:
    return load_tape(TapeSelection(source=source, **choice))  # type: ignore[arg-type]


def digest(bars: tuple[Bar, ...]) -> str:
    return hashlib.sha256(repr(bars).encode()).hexdigest()


@pytest.fixture(scope="module")
def minutes() -> dict[str, Grid]:
    """A long run of sessions, one row a day."""
    last = dt.date(2026, 3, 10)
    days = [last - dt.timedelta(days=number) for number in range(SESSIONS * 7 // 5)]
    dates = tuple(reversed([day for day in days if day.weekday() < 5]))
    bars = Generator(es_profile(), 11).bars(front_contract(last), dates[:-1], dates[-1:])
    return {
        name: np.array([getattr(bar, name) for bar in bars], dtype=float).reshape(len(dates), SESSION_MINUTES)
        for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume")
    }


@pytest.fixture(scope="module")
def five_minutes(minutes: dict[str, Grid]) -> Days:
    count = minutes["volume"].shape[0]
    grouped = {name: grid.reshape(count, -1, BIN_MINUTES) for name, grid in minutes.items()}
    return Days(
        name="generated",
        minutes=BIN_MINUTES,
        dates=np.arange(count),
        contracts=np.zeros(count, dtype=np.int64),
        opened=grouped["open_ticks"][:, :, 0],
        high=grouped["high_ticks"].max(axis=2),
        low=grouped["low_ticks"].min(axis=2),
        close=grouped["close_ticks"][:, :, -1],
        volume=grouped["volume"].sum(axis=2),
    )


def test_default_is_one_whole_session_with_ten_before_it() -> None:
    tape = load()
    assert (tape.contract.instrument, tape.contract.month) == ("ESM6", "202606")
    assert tape.base_timeframe is Timeframe.M1
    assert len(tape.bars) == SESSION_MINUTES
    assert {trade_date(bar.start_ns) for bar in tape.bars} == {dt.date(2026, 3, 10)}
    assert len({trade_date(bar.start_ns) for bar in tape.history}) == 10
    assert len(tape.history) == 10 * SESSION_MINUTES
    assert tape.history[-1].start_ns < tape.bars[0].start_ns


def test_sessions_run_from_five_to_four_in_chicago_through_the_change_of_clocks() -> None:
    """Clocks changed on Sunday 8 March 2026; the hours at the exchange did not."""
    tape = load()
    for day in {trade_date(bar.start_ns) for bar in (*tape.history, *tape.bars)}:
        own = [bar for bar in (*tape.history, *tape.bars) if trade_date(bar.start_ns) == day]
        first = utc_datetime(own[0].start_ns).astimezone(CHICAGO)
        end = utc_datetime(own[-1].end_ns).astimezone(CHICAGO)
        assert (first.hour, first.minute) == (17, 0)
        assert (end.hour, end.minute, end.date()) == (16, 0, day)
        assert first.weekday() in {6, 0, 1, 2, 3}
        assert len(own) == SESSION_MINUTES
    monday = [bar for bar in tape.history if trade_date(bar.start_ns) == dt.date(2026, 3, 9)]
    assert utc_datetime(monday[0].start_ns) == dt.datetime(2026, 3, 8, 22, 0, tzinfo=dt.UTC)


def test_history_holds_enough_four_hour_bars() -> None:
    builder = BarBuilder(Timeframe.H4)
    assert len([built for bar in load().history for built in builder.add(bar)]) >= 55


def test_bars_are_sound() -> None:
    tape = load(history_days=3)
    before: Bar | None = None
    for bar in (*tape.history, *tape.bars):
        assert 0 < bar.low_ticks <= min(bar.open_ticks, bar.close_ticks)
        assert bar.high_ticks >= max(bar.open_ticks, bar.close_ticks)
        assert bar.volume >= 1
        if before is not None:
            assert bar.start_ns >= before.end_ns
            if bar.start_ns == before.end_ns:
                assert abs(bar.open_ticks - before.close_ticks) <= 1
        before = bar


def test_seed_decides_and_nothing_else() -> None:
    assert load("synthetic:48") == replace(load(), source_name="synthetic:48")
    assert digest(load("synthetic:8").bars) != digest(load().bars)
    assert digest(load(history_days=2).bars) == digest(load(history_days=12).bars)


def test_default_session_is_the_committed_one() -> None:
    """Fails when profile, generator or a library's random stream changes: ledgers then change too."""
    bars = load(history_days=0).bars
    assert [bars[number].close_ticks for number in (0, 500, 1000, 1379)] == COMMITTED_CLOSES
    assert sum(bar.volume for bar in bars) == COMMITTED_VOLUME


def test_returns_have_fat_tails_and_cluster_as_fitted(five_minutes: Days) -> None:
    fitted = es_profile().moments
    found = moments(five_minutes, np.array(es_profile().volatility_shape))
    assert 4.0 < found.kurtosis_5m < 2 * fitted.kurtosis_5m  # 3: normal
    for lag in (0, 1, 2, 5):
        wanted = fitted.autocorrelation_5m[lag]
        assert 0.5 * wanted < found.autocorrelation_5m[lag] < 1.5 * wanted
    assert found.range_over_move == pytest.approx(fitted.range_over_move, rel=0.1)
    assert found.overnight_volume_share == pytest.approx(fitted.overnight_volume_share, rel=0.25)


def test_returns_themselves_are_not_predictable(minutes: dict[str, Grid]) -> None:
    returns = np.log(minutes["close_ticks"] / minutes["open_ticks"])
    following = np.corrcoef(returns[:, :-1].ravel(), returns[:, 1:].ravel())[0, 1]
    assert abs(following) < 0.05


def test_volatility_and_volume_have_the_shape_of_the_day(five_minutes: Days) -> None:
    profile = es_profile()
    size = np.abs(five_minutes.returns)
    shape = (size / size.mean(axis=1)[:, None]).mean(axis=0)
    assert np.corrcoef(shape, profile.volatility_shape)[0, 1] > 0.95
    volume = five_minutes.volume.sum(axis=0) / five_minutes.volume.sum()
    assert np.corrcoef(volume, profile.volume_shape)[0, 1] > 0.95
    opening, noon, close = volume[186:192].mean(), volume[222:234].mean(), volume[258:264].mean()
    night = volume[:180].mean()
    assert opening > 1.3 * noon
    assert close > 1.3 * noon
    assert night < 0.3 * noon


def test_volume_comes_with_movement(minutes: dict[str, Grid]) -> None:
    """Over the regular session, time of day removed; real minutes correlate at 0.60."""
    span = np.log(minutes["high_ticks"] - minutes["low_ticks"] + 1)[:, 930:]
    volume = np.log(minutes["volume"])[:, 930:]
    together = np.corrcoef((span - span.mean(axis=0)).ravel(), (volume - volume.mean(axis=0)).ravel())[0, 1]
    assert together == pytest.approx(0.60, abs=0.15)


def test_level_of_volatility_and_volume_is_that_of_the_fit(minutes: dict[str, Grid]) -> None:
    profile = es_profile()
    returns = np.log(minutes["close_ticks"] / minutes["open_ticks"])
    per_day = np.median(returns.std(axis=1))
    assert 0.6 * profile.minute_return_sd < per_day < 1.6 * profile.minute_return_sd
    volume = np.median(minutes["volume"].sum(axis=1))
    assert 0.6 * profile.session_volume < volume < 1.6 * profile.session_volume


def test_another_weekday_may_be_chosen_and_has_its_own_front_contract() -> None:
    tape = load(date=dt.date(2025, 10, 15), history_days=1)
    assert tape.contract.instrument == "ESZ5"
    assert {trade_date(bar.start_ns) for bar in tape.bars} == {dt.date(2025, 10, 15)}
    assert front_contract(dt.date(2026, 12, 15)).instrument == "ESH7"


def test_times_narrow_the_session_and_the_rest_is_history() -> None:
    start = dt.datetime(2026, 3, 10, 14, 0, tzinfo=dt.UTC)
    tape = load(from_ns=time_ns_of(start), to_ns=time_ns_of(start + dt.timedelta(hours=1)), history_days=1)
    assert len(tape.bars) == 60
    assert utc_datetime(tape.bars[0].start_ns) == start
    assert tape.history[-1].end_ns == tape.bars[0].start_ns
    whole = load(date=dt.date(2026, 3, 10)).bars
    assert tape.bars == tuple(bar for bar in whole if bar.start_ns in {one.start_ns for one in tape.bars})


def test_times_may_span_sessions() -> None:
    start = time_ns_of(dt.datetime(2026, 3, 9, 14, 0, tzinfo=dt.UTC))
    tape = load(from_ns=start, to_ns=start + 3 * 24 * 3600 * NS_PER_S, history_days=0)
    assert sorted({str(trade_date(bar.start_ns)) for bar in tape.bars}) == [
        "2026-03-09",
        "2026-03-10",
        "2026-03-11",
        "2026-03-12",
    ]
    assert tape.history == ()


@pytest.mark.parametrize("source", ["synthetic:", "synthetic:x", "synthetic:-1", "synthetic:1.5"])
def test_bad_seed_is_refused_with_an_example(source: str) -> None:
    with pytest.raises(ConfigError, match="the seed is a whole number, as in synthetic:48"):
        load(source)


def test_weekend_wrong_contract_empty_part_and_too_much_are_refused() -> None:
    with pytest.raises(ConfigError, match="no session ends on a weekend"):
        load(date=dt.date(2026, 3, 8))
    with pytest.raises(
        ConfigError, match="'201312' is not the front contract of 2026-03-10; allowed: 202606"
    ):
        load(contract="201312")
    break_hour = time_ns_of(dt.datetime(2026, 3, 10, 21, 10, tzinfo=dt.UTC))
    with pytest.raises(
        ConfigError, match="no bars in the part chosen; the session of 2026-03-10 trades from"
    ):
        load(from_ns=break_hour, to_ns=break_hour + 60 * NS_PER_S)
    with pytest.raises(ConfigError, match="sessions with history; allowed: at most 300"):
        load(history_days=300)
