"""Which version is current, what was before it, and what a crash in between leaves."""

import shutil
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.promotion import HISTORY_FILE, promote, promotions, rollback
from mia_actors.ensemble.registry import current_version


@pytest.fixture
def models(three: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    shutil.copytree(three[0], tmp_path / "models")
    return tmp_path / "models", three[1]


def test_rollbacks_go_back_the_way_promotions_came(models: tuple[Path, list[str]]) -> None:
    directory, (first, second, third) = models
    for name in (first, second, third):
        promote(directory, name)
    assert [rollback(directory), rollback(directory)] == [second, first]
    assert current_version(directory) == first
    with pytest.raises(ConfigError, match=f"no version was promoted before {first}"):
        rollback(directory)
    promote(directory, third)
    assert rollback(directory) == first


def test_what_was_current_before_any_history_can_be_rolled_back_to(models: tuple[Path, list[str]]) -> None:
    directory, (first, second, _) = models
    (directory / "CURRENT").write_text(first)
    promote(directory, second, reason="better", at="2026-01-05T10:00:00Z")
    found, made = promotions(directory)
    assert (found.version, found.change) == (first, "found")
    assert (made.version, made.change, made.reason, made.at) == (
        second,
        "promoted",
        "better",
        "2026-01-05T10:00:00Z",
    )
    assert rollback(directory) == first


def test_promoting_the_current_one_again_is_no_step_of_the_history(models: tuple[Path, list[str]]) -> None:
    directory, (first, second, _) = models
    for name in (first, second, second):
        promote(directory, name)
    assert rollback(directory) == first


def test_a_promotion_that_died_before_it_took_effect_never_happened(models: tuple[Path, list[str]]) -> None:
    directory, (first, second, third) = models
    for name in (first, second, third):
        promote(directory, name)
    (directory / "CURRENT").write_text(second)  # as if the machine had died between history and CURRENT
    assert rollback(directory) == first


@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_an_altered_version_is_not_made_current(models: tuple[Path, list[str]], change: str) -> None:
    directory, (first, second, _) = models
    for name in (first, second):
        promote(directory, name)
    (directory / first / "xgboost.onnx").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="is not the file the manifest names"):
        promote(directory, first) if change == "promote" else rollback(directory)
    assert current_version(directory) == second
    assert len(promotions(directory)) == 2


def test_a_damaged_history_is_told_and_harms_nobody(models: tuple[Path, list[str]]) -> None:
    directory, (first, *_) = models
    promote(directory, first)
    (directory / HISTORY_FILE).write_text("{not json\n")
    with pytest.raises(ConfigError, match="HISTORY cannot be read"):
        promotions(directory)
    assert current_version(directory) == first
