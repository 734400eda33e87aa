"""A report that cannot be written is refused before the backtest begins."""

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from mia_actors.cli import backtest_command
from mia_actors.cli.app import ExitCode
from mia_actors.cli.report_file import check_report_path, write_report
from mia_actors.core.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_a_good_path_is_left_as_it_was(tmp_path: Path) -> None:
    check_report_path(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_report_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    check_report_path(path)
    assert path.read_text(encoding="utf-8") == "old"
    write_report(path, "new")
    assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [
        ("report.html", "new")
    ]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (".", "is a directory; name a file"),
        ("nowhere/report.html", "there is no directory"),
        ("file/report.html", "there is no directory"),
        ("x" * 300, r"cannot be written \(File name too long\)"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_with_the_reason(
    tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=said):
        check_report_path(tmp_path / place)


def test_the_command_refuses_before_it_loads_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object) -> None:
        pytest.fail("the tape was loaded")

    monkeypatch.setattr(backtest_command, "load_tape", too_late)
    monkeypatch.setattr(backtest_command, "compile_kernels", too_late)
    app = Typer()
    app.command()(backtest_command.backtest)
    found = CliRunner().invoke(
        app,
        [
            *("--config", str(ROOT / "supervision.yaml")),
            *("--state", str(tmp_path / "state")),
            *("--report", str(tmp_path / "nowhere" / "report.html")),
        ],
    )
    assert found.exit_code == ExitCode.USAGE
    assert not (tmp_path / "state").exists()
