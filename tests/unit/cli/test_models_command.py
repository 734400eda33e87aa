"""`mia models`: list, show, promote, rollback."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mia_actors.cli.models_command import models_app

ROOT = Path(__file__).parents[3]
COMMITTED = (ROOT / "models" / "CURRENT").read_text().strip()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    return tmp_path / "models"


def _asked(models: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(models_app, [*arguments, "--models", str(models)])
    assert result.exit_code == code, result.output
    return result.output


def _json(models: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_asked(models, *arguments, "--json"))
    return found


def test_the_list_tells_what_is_stored_and_whether_it_verifies(models: Path) -> None:
    (row,) = _json(models, "list")["versions"]
    assert (row["version"], row["current"], row["files"]) == (COMMITTED, True, "as stored")
    assert row["trained_on"].startswith("2014")
    (models / COMMITTED / "xgboost.onnx").write_bytes(b"")
    (row,) = _json(models, "list")["versions"]
    assert "is not the file the manifest names" in row["files"]


def test_the_card_is_shown(models: Path) -> None:
    assert _asked(models, "show").startswith(f"# {COMMITTED}")
    assert _json(models, "show", COMMITTED)["version"] == COMMITTED


@pytest.mark.parametrize(
    "arguments", [("promote", "es-5m-2014-2020-00000000"), ("show", "no-such"), ("rollback",)]
)
def test_what_is_not_there_is_refused_and_changes_nothing(models: Path, arguments: tuple[str, ...]) -> None:
    _asked(models, *arguments, code=2)
    assert (models / "CURRENT").read_text().strip() == COMMITTED


def test_a_promotion_of_the_current_one_succeeds(models: Path) -> None:
    assert _json(models, "promote", COMMITTED, "--reason", "again") == {
        "current": COMMITTED,
        "session_from": None,
    }


def test_without_a_running_session_there_is_nothing_to_swap(models: Path, tmp_path: Path) -> None:
    arguments = ("--session", "--state", str(tmp_path / "s"), "--config", str(ROOT / "supervision.yaml"))
    assert "no session" in _asked(models, "promote", COMMITTED, *arguments, code=2)
