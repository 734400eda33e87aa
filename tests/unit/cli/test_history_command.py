"""What `mia history download` takes for a contract, and what it tells where there is no terminal."""

import io
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mia_actors.broker.history_download import Activity, Progress
from mia_actors.cli.app import app
from mia_actors.cli.history_command import contract_named
from mia_actors.cli.history_view import LINE_EVERY_S, HistoryView
from mia_actors.core.clock import VirtualClock
from mia_actors.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "first_day", "symbol", "month"),
    [
        ("202512", "2025-10-01", "ES", "202512"),
        ("ESZ25", "2025-10-01", "ES", "202512"),
        ("ESZ5", "2025-10-01", "ES", "202512"),
        ("MESH6", "2025-12-01", "MES", "202603"),
        ("ESZ3", "2013-10-08", "ES", "201312"),
        ("ESH0", "2019-12-20", "ES", "202003"),
    ],
)
def test_a_year_of_one_digit_is_the_first_such_year_from_the_first_day_on(
    text: str, first_day: str, symbol: str, month: str
) -> None:
    found = contract_named(text, date.fromisoformat(first_day))
    assert (found.symbol, found.month) == (symbol, month)


@pytest.mark.parametrize("text", ["CLZ5", "ESX", "december", "ESA5"])
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: "):
        contract_named(text, date(2025, 10, 1))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--from": "yesterday"}, "--from 'yesterday' is not a date"),
        ({"--to": "2025-09-01"}, "later than --to"),
        ({"--bar": "2m"}, "allowed: 5s, 1m, 5m"),
        ({"--out": "bars.csv"}, "a Parquet file is written"),
    ],
)
def test_wrong_usage_is_code_2_before_anybody_is_asked(
    tmp_path: Path, changed: dict[str, str], says: str
) -> None:
    options = {"--contract": "ESZ5", "--from": "2025-10-01", "--to": "2025-10-02", "--out": "bars.parquet"}
    options |= changed
    options["--out"] = str(tmp_path / options["--out"])
    answer = CliRunner().invoke(
        app, ["history", "download", *(word for pair in options.items() for word in pair)]
    )
    assert answer.exit_code == 2
    assert says in " ".join(answer.output.split())
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_there_is_a_line_now_and_then_and_one_when_the_line_is_lost() -> None:
    clock, written = VirtualClock(), io.StringIO()

    def told(view: HistoryView, activity: Activity, done: int) -> list[str]:
        written.truncate(0)
        written.seek(0)
        view.show(Progress(activity=activity, detail="cut", chunks_done=done, chunks=9, bars=7, wait_s=2.0))
        return written.getvalue().splitlines()

    with HistoryView(Console(file=written, soft_wrap=True), clock, "ESZ25") as view:
        assert told(view, Activity.ASKING, 0) == ["ESZ25: 0 of 9 requests done, 7 bars, cut"]
        assert told(view, Activity.PACING, 1) == []
        assert told(view, Activity.RECONNECTING, 1) == [
            "ESZ25: 1 of 9 requests done, 7 bars, reconnecting 2 s: cut"
        ]
        assert told(view, Activity.RECONNECTING, 1) == []
        clock.sleep_s(LINE_EVERY_S)
        assert told(view, Activity.PACING, 2) == ["ESZ25: 2 of 9 requests done, 7 bars, pacing 2 s"]
