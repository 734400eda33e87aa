"""Tapes from files: what is chosen, and every way a tape can be bad, each named with its remedy."""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from mia_actors.core.clock import iso_utc, time_ns_of, utc_datetime
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape

Rows = list[dict[str, Any]]
MONDAY = dt.datetime(2013, 10, 7, 14, 0, tzinfo=dt.UTC)
TUESDAY = dt.datetime(2013, 10, 8, 14, 0, tzinfo=dt.UTC)
COLUMNS = ["ts", "contract", "open", "high", "low", "close", "volume"]


def rows(
    start: dt.datetime, count: int, *, minutes: int = 1, contract: str = "201312", volume: int = 10
) -> Rows:
    return [
        {
            "ts": start + dt.timedelta(minutes=minutes * number),
            "contract": contract,
            "open": 1670.0 + number % 3,
            "high": 1673.5,
            "low": 1668.25,
            "close": 1670.5,
            "volume": volume,
        }
        for number in range(count)
    ]


def parquet(folder: Path, content: Rows, schema: dict[str, Any] | None = None) -> Path:
    names = list(content[0]) if content else COLUMNS
    arrays = {name: [row[name] for row in content] for name in names}
    table = pa.table(
        {name: pa.array(values, type=(schema or {}).get(name)) for name, values in arrays.items()}
    )
    path = folder / "tape.parquet"
    pq.write_table(table, path)
    return path


def csv(folder: Path, content: Rows) -> Path:
    path = folder / "tape.csv"
    lines = [",".join(COLUMNS)]
    for row in content:
        stamp = row["ts"]
        text = stamp.isoformat() if isinstance(stamp, dt.datetime) else str(stamp)
        lines.append(",".join([text, *(str(row[name]) for name in COLUMNS[1:])]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


Writer = Callable[[Path, Rows], Path]


@pytest.fixture(params=[parquet, csv], ids=["parquet", "csv"])
def write(request: pytest.FixtureRequest) -> Writer:
    writer: Writer = request.param
    return writer


def load(path: Path, **choice: Any) -> Tape:
    return load_tape(TapeSelection(source=str(path), **choice))


def starts(bars: tuple[Any, ...]) -> list[dt.datetime]:
    return [utc_datetime(bar.start_ns) for bar in bars]


def test_bars_are_ticks_of_the_contract(write: Writer, tmp_path: Path) -> None:
    tape = load(write(tmp_path, rows(TUESDAY, 3)))
    assert (tape.contract.instrument, tape.contract.expiry) == ("ESZ3", "20131220")
    assert tape.base_timeframe is Timeframe.M1
    assert tape.history == ()
    first = tape.bars[0]
    assert (first.open_ticks, first.high_ticks, first.low_ticks, first.close_ticks) == (
        6680,
        6694,
        6673,
        6682,
    )
    assert (first.instrument, first.timeframe, first.volume) == ("ESZ3", Timeframe.M1, 10)
    assert starts(tape.bars) == [TUESDAY + dt.timedelta(minutes=number) for number in range(3)]


def test_csv_and_parquet_of_the_same_rows_are_the_same_tape(tmp_path: Path) -> None:
    content = rows(MONDAY, 5) + rows(TUESDAY, 5)
    first, second = load(parquet(tmp_path, content)), load(csv(tmp_path, content))
    assert replace(first, source_name="") == replace(second, source_name="")
    assert (first.source_name, second.source_name) == ("tape.parquet", "tape.csv")


def test_compressed_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv.gz"
    table = pa.table({name: [str(row[name]) for row in rows(TUESDAY, 3)] for name in COLUMNS})
    with pa.CompressedOutputStream(str(path), "gzip") as stream:
        pa_csv.write_csv(table, stream)
    assert len(load(path).bars) == 3


def test_five_minute_spacing_is_found(write: Writer, tmp_path: Path) -> None:
    assert load(write(tmp_path, rows(TUESDAY, 4, minutes=5))).base_timeframe is Timeframe.M5


def test_gaps_are_no_error(write: Writer, tmp_path: Path) -> None:
    content = rows(TUESDAY, 30)
    del content[5:12]
    assert len(load(write(tmp_path, content)).bars) == 23


def test_date_is_the_trade_date_and_earlier_ones_are_history(write: Writer, tmp_path: Path) -> None:
    evening = MONDAY.replace(hour=22)  # 17:00 Chicago on Monday: Tuesday's session
    tape = load(write(tmp_path, rows(MONDAY, 4) + rows(evening, 2) + rows(TUESDAY, 3)), date=TUESDAY.date())
    assert starts(tape.bars)[0] == evening
    assert len(tape.bars) == 5
    assert starts(tape.history) == [MONDAY + dt.timedelta(minutes=number) for number in range(4)]


def test_sunday_evening_belongs_to_monday(write: Writer, tmp_path: Path) -> None:
    sunday = dt.datetime(2013, 10, 6, 22, 0, tzinfo=dt.UTC)
    tape = load(write(tmp_path, rows(sunday, 2) + rows(MONDAY, 2) + rows(TUESDAY, 2)), date=MONDAY.date())
    assert len(tape.bars) == 4


def test_history_is_limited_to_its_days(write: Writer, tmp_path: Path) -> None:
    content = [row for day in range(5) for row in rows(MONDAY + dt.timedelta(days=day), 3)]
    path = write(tmp_path, content)
    friday = (MONDAY + dt.timedelta(days=4)).date()
    assert len(load(path, date=friday).history) == 12
    assert len(load(path, date=friday, history_days=2).history) == 6
    assert load(path, date=friday, history_days=0).history == ()


def test_history_never_mixes_contracts(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, rows(MONDAY, 5) + rows(TUESDAY, 5, contract="201403"))
    tape = load(path, date=TUESDAY.date())
    assert tape.contract.month == "201403"
    assert tape.history == ()


def test_history_days_are_those_the_contract_traded(write: Writer, tmp_path: Path) -> None:
    wednesday = TUESDAY + dt.timedelta(days=1)
    content = rows(MONDAY, 5) + rows(TUESDAY, 5, contract="201403") + rows(wednesday, 5)
    tape = load(write(tmp_path, content), date=wednesday.date(), history_days=1)
    assert starts(tape.history)[0] == MONDAY


def test_times_choose_bars_by_their_start(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, rows(TUESDAY, 10))
    tape = load(
        path,
        from_ns=time_ns_of(TUESDAY + dt.timedelta(minutes=3)),
        to_ns=time_ns_of(TUESDAY + dt.timedelta(minutes=5)),
    )
    assert starts(tape.bars) == [TUESDAY + dt.timedelta(minutes=number) for number in (3, 4)]
    assert len(tape.history) == 3


def test_front_contract_is_the_one_with_most_volume_in_the_part(write: Writer, tmp_path: Path) -> None:
    content = rows(MONDAY, 4, volume=900) + rows(TUESDAY, 4, volume=5)
    content += rows(TUESDAY, 4, contract="201403", volume=50)
    content.sort(key=lambda row: row["ts"])
    path = write(tmp_path, content)
    assert load(path).contract.month == "201312"
    assert load(path, date=TUESDAY.date()).contract.month == "201403"


@pytest.mark.parametrize("name", ["ESZ13", "201312", "ESZ3", "20131220"])
def test_contract_may_be_named_in_any_form(name: str, tmp_path: Path) -> None:
    content = rows(TUESDAY, 3, contract="ESZ13", volume=1) + rows(TUESDAY, 3, contract="ESH14", volume=90)
    assert load(parquet(tmp_path, content), contract=name).contract.instrument == "ESZ3"


def test_contract_column_may_be_a_number_or_a_category(tmp_path: Path) -> None:
    content = [{**row, "contract": 201312} for row in rows(TUESDAY, 3)]
    assert load(parquet(tmp_path, content)).contract.month == "201312"
    coded = parquet(tmp_path, rows(TUESDAY, 3), {"contract": pa.dictionary(pa.int32(), pa.string())})
    assert load(coded).contract.month == "201312"


def test_quotes_may_be_missing_or_empty(tmp_path: Path) -> None:
    content = [{**row, "bid": math.nan, "ask": 1670.0} for row in rows(TUESDAY, 3)]
    assert len(load(parquet(tmp_path, content)).bars) == 3


def test_rows_not_chosen_may_be_bad(write: Writer, tmp_path: Path) -> None:
    content = rows(MONDAY, 3) + rows(TUESDAY, 3) + rows(TUESDAY, 3, contract="201403", volume=1)
    content[0]["open"] = math.nan  # history not asked for
    content[7]["close"] = -1.0  # another contract
    assert len(load(write(tmp_path, content), date=TUESDAY.date(), history_days=0).bars) == 3
    with pytest.raises(ConfigError, match="column open: no number"):
        load(write(tmp_path, content), date=TUESDAY.date())


def test_thin_contract_takes_its_spacing_from_the_others(write: Writer, tmp_path: Path) -> None:
    thin = [
        {**row, "ts": TUESDAY + dt.timedelta(minutes=minute)}
        for row, minute in zip(rows(TUESDAY, 4, contract="201409"), (0, 7, 13, 31), strict=True)
    ]
    tape = load(write(tmp_path, rows(TUESDAY, 40) + thin), contract="201409")
    assert tape.base_timeframe is Timeframe.M1
    assert len(tape.bars) == 4


def test_one_day_of_a_file_of_many_row_groups_is_read(tmp_path: Path) -> None:
    content = [row for day in range(5) for row in rows(MONDAY + dt.timedelta(days=day), 50)]
    path = parquet(tmp_path, content)
    pq.write_table(pq.read_table(path), path, row_group_size=30)
    tape = load(path, date=(MONDAY + dt.timedelta(days=3)).date(), history_days=1)
    assert (len(tape.history), len(tape.bars)) == (50, 50)
    assert tape == load(
        parquet(tmp_path, content), date=(MONDAY + dt.timedelta(days=3)).date(), history_days=1
    )


def set_value(place: int, column: str, value: object) -> Callable[[Rows], None]:
    def change(content: Rows) -> None:
        content[place][column] = value

    return change


def shift(place: int, seconds: int) -> Callable[[Rows], None]:
    def change(content: Rows) -> None:
        content[place]["ts"] += dt.timedelta(seconds=seconds)

    return change


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (set_value(3, "close", math.nan), "column close: no number"),
        (set_value(3, "volume", math.nan), "column volume: no number"),
        (set_value(3, "high", math.inf), "column high: no number"),
        (set_value(3, "open", 1670.1), "column open: 1670.1 is off the ES grid of 0.25"),
        (set_value(3, "low", -1.0), "column low: -1 is not positive"),
        (set_value(3, "close", 0.0), "column close: 0 is not positive"),
        (set_value(3, "high", 1660.0), "column high: 1660 is below the low 1668.25"),
        (set_value(3, "close", 1680.0), "column close: 1680 is outside the bar's 1668.25 to 1673.5"),
        (set_value(3, "open", 1660.0), "column open: 1660 is outside the bar's 1668.25 to 1673.5"),
        (set_value(3, "volume", -5.0), "column volume: -5 is negative"),
        (set_value(3, "volume", 1.5), "column volume: 1.5 is not a whole number"),
        (shift(3, -60), "column ts: duplicate time"),
        (shift(3, -120), "column ts: backward"),
        (shift(3, 20), "column ts: mixed spacing: not on a mark of the tape's 1m bars"),
    ],
)
def test_bad_row_is_refused_with_file_row_time_column_and_reason(
    write: Writer, tmp_path: Path, spoil: Callable[[Rows], None], said: str
) -> None:
    content = [{**row, "volume": float(row["volume"])} for row in rows(TUESDAY, 8)]
    spoil(content)
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as refused:
        load(path)
    place = "line 5" if path.suffix == ".csv" else "row 4"
    moment = iso_utc(time_ns_of(content[3]["ts"]))
    assert str(refused.value).startswith(f"tape {path}, {place} ({moment}), {said}")
    assert ";" in str(refused.value)  # the remedy


def test_five_minute_stretch_in_a_minute_tape_is_mixed_spacing(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, rows(MONDAY, 40, minutes=5) + rows(TUESDAY, 60))
    with pytest.raises(ConfigError, match="mixed spacing: 5-minute bars on a tape of 1-minute bars"):
        load(path)
    assert len(load(path, date=TUESDAY.date(), history_days=0).bars) == 60


def test_minute_stretch_in_a_five_minute_tape_is_mixed_spacing(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, rows(MONDAY, 40, minutes=5) + rows(TUESDAY, 10))
    with pytest.raises(ConfigError, match="mixed spacing: not on a mark of the tape's 5m bars"):
        load(path)


@pytest.mark.parametrize("minutes", [2, 15, 60])
def test_other_spacing_is_refused_with_what_is_allowed(write: Writer, tmp_path: Path, minutes: int) -> None:
    path = write(tmp_path, rows(TUESDAY, 8, minutes=minutes))
    with pytest.raises(ConfigError, match=rf"{minutes * 60} s apart; allowed: bars of 1 or of 5 minutes"):
        load(path)


def test_single_bar_has_no_spacing(write: Writer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one bar has no spacing"):
        load(write(tmp_path, rows(TUESDAY, 1)))


def test_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.parquet: no such file; give a Parquet or CSV file"):
        load(tmp_path / "nowhere.parquet")


def test_unknown_format_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "tape.xlsx"
    path.write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"format not known by its name; allowed: .parquet, .pq, .csv"):
        load(path)


@pytest.mark.parametrize("name", ["tape.parquet", "tape.csv"])
def test_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be read as"):
        load(path)


def test_missing_columns_are_named_with_those_there(tmp_path: Path) -> None:
    content = [{key: value for key, value in row.items() if key != "ts"} for row in rows(TUESDAY, 3)]
    with pytest.raises(
        ConfigError, match=r"column ts is missing; a tape has ts contract .* has contract open"
    ):
        load(parquet(tmp_path, content))
    path = tmp_path / "tape.csv"
    path.write_text("time,open\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"column ts, contract, high, .* this file has time open"):
        load(path)


def test_tape_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no rows"):
        load(path)


def test_naive_times_are_refused(tmp_path: Path) -> None:
    content = rows(TUESDAY, 3)
    content[1]["ts"] = "2013-10-08T14:01:00"
    with pytest.raises(ConfigError, match=r"line 3, column ts: '2013-10-08T14:01:00' is not an aware time"):
        load(csv(tmp_path, content))
    naive = [{**row, "ts": row["ts"].replace(tzinfo=None)} for row in rows(TUESDAY, 3)]
    with pytest.raises(ConfigError, match="column ts: no time zone; allowed: UTC times"):
        load(parquet(tmp_path, naive))


def test_offsets_other_than_utc_are_understood(tmp_path: Path) -> None:
    content = rows(TUESDAY, 3)
    for number, row in enumerate(content):
        row["ts"] = f"2013-10-08T09:0{number}:00-05:00"
    assert starts(load(csv(tmp_path, content)).bars)[0] == TUESDAY


def test_times_that_are_numbers_are_refused(tmp_path: Path) -> None:
    content = [{**row, "ts": number} for number, row in enumerate(rows(TUESDAY, 3))]
    with pytest.raises(ConfigError, match="column ts: int64 is no time"):
        load(parquet(tmp_path, content))


def test_empty_time_or_contract_is_refused(tmp_path: Path) -> None:
    content = rows(TUESDAY, 3)
    content[1]["ts"] = None
    with pytest.raises(ConfigError, match="row 2, column ts: empty"):
        load(parquet(tmp_path, content))
    content = rows(TUESDAY, 3)
    content[2]["contract"] = ""
    with pytest.raises(ConfigError, match="line 4, column contract: empty"):
        load(csv(tmp_path, content))


def test_field_that_is_no_number_is_refused(tmp_path: Path) -> None:
    content = rows(TUESDAY, 3)
    content[1]["high"] = "high"
    with pytest.raises(ConfigError, match="line 3, column high: 'high' is not a number"):
        load(csv(tmp_path, content))


def test_unreadable_contract_name_is_refused_with_the_tape(tmp_path: Path) -> None:
    path = parquet(tmp_path, rows(TUESDAY, 3, contract="@ES#"))
    with pytest.raises(ConfigError, match=r"tape.parquet, column contract: '@ES#' is not a name"):
        load(path)


def test_empty_selection_says_what_there_is(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, rows(MONDAY, 3) + rows(TUESDAY, 3, contract="201403"))
    with pytest.raises(ConfigError) as refused:
        load(path, date=dt.date(2013, 10, 9))
    said = str(refused.value)
    assert "no bars on trade date 2013-10-09" in said
    assert "trade dates there: 2013-10-07, 2013-10-08" in said
    assert "contracts on the tape: 201312, 201403" in said
    with pytest.raises(ConfigError, match=r"no bars of 201403 on .*; trade dates there: 2013-10-08;"):
        load(path, date=MONDAY.date(), contract="201403")
    with pytest.raises(ConfigError, match="contract '201409' is not on it; it has 201312, 201403"):
        load(path, contract="201409")


def test_long_list_of_dates_is_told_by_its_ends(tmp_path: Path) -> None:
    content = [row for day in range(28) for row in rows(MONDAY + dt.timedelta(days=day), 2)]
    with pytest.raises(ConfigError, match=r"trade dates there: 21 from 2013-10-07 to 2013-11-04"):
        load(parquet(tmp_path, content), date=dt.date(2014, 1, 2))


def test_negative_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="history_days -1: allowed: 0 or more"):
        load(parquet(tmp_path, rows(TUESDAY, 3)), history_days=-1)
