"""The benches of inference and backtest: figures of real work, beside rivals that did the same."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mia_actors.cli import bench_backtest, bench_backtest_rivals, bench_inference
from mia_actors.cli.app import app
from mia_actors.core.clock import iso_utc
from mia_actors.core.units import ES
from mia_actors.exchange.tape import TapeSelection, load_tape
from tests.unit.cycle.situations import new_york_ns

pytest.importorskip("skl2onnx", reason="the training extra is not installed")
MAIN = Path("supervision.yaml").absolute()


def test_the_vote_is_measured_beside_the_libraries_that_made_the_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_inference, "ROWS", 500)
    found = CliRunner().invoke(app, ["bench", "inference", "--votes", "400", "--json"])
    assert found.exit_code == 0, found.output
    figures = json.loads(found.stdout)
    theirs = figures["rivals"]["scikit-learn and xgboost"]
    assert figures["ours"]["votes"] == theirs["votes"] == 400
    assert 0 < figures["ours"]["p50"] <= figures["ours"]["p99"]
    assert figures["ratio"]["theirs by ours, p50"] > 1


def test_a_side_that_answers_otherwise_fails_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_inference, "ROWS", 500)
    monkeypatch.setattr(bench_inference, "NATIVE_DIFFERENCE_MAX", -1.0)
    found = CliRunner().invoke(app, ["bench", "inference", "--votes", "400", "--json"])
    assert found.exit_code != 0
    assert "answers differ" in found.stderr


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A file of two days of one-minute bars."""
    bars = load_tape(
        TapeSelection(
            source="synthetic:3",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=0,
        )
    ).bars
    path = tmp_path / "bars.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ts", "contract", "open", "high", "low", "close", "volume"])
        for bar in bars:
            prices = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
            rows.writerow(
                [iso_utc(bar.start_ns), "202603", *(ES.price_of(ticks) for ticks in prices), bar.volume]
            )
    return path


def test_a_backtest_is_measured_beside_the_rivals_that_are_installed(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_backtest, "RIVALS", {"csv": len, "no_such_package": len})
    found = CliRunner().invoke(
        app,
        ["bench", "backtest", "--tape", str(tape), "--rival-bars", "1000", "--config", str(MAIN), "--json"],
    )
    assert found.exit_code == 0, found.output
    figures = json.loads(found.stdout)
    assert figures["ours"]["all contracts"]["bars"] == 1920
    assert figures["ours"]["the rivals' bars"]["bars"] == figures["rivals"]["csv"]["bars"] == 1000
    assert "not installed" in figures["rivals"]["no_such_package"]["missing"]
    assert list(figures["ratio"]) == ["ours by csv, bars per second"]


@pytest.mark.parametrize("name", list(bench_backtest_rivals.RIVALS))
@pytest.mark.filterwarnings("ignore")
def test_a_rival_trades_the_same_bars(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(name, reason=f"the bench extra is not installed: {name}")
    monkeypatch.setattr(bench_backtest_rivals, "FACTORS", (1, 3))  # two days warm up no longer timeframe
    monkeypatch.setattr(bench_backtest_rivals, "WEIGHTS", (0.6, 0.4))
    bars = load_tape(
        TapeSelection(
            source="synthetic:3",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=0,
        )
    ).bars
    assert bench_backtest_rivals.RIVALS[name](bars) > 0
