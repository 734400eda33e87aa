"""State directories: whose they are, of which version, and who holds them."""

from pathlib import Path

import pytest

from mia_actors.cli.state import existing_state, is_running, locked, open_state
from mia_actors.core.errors import ConfigError


def test_a_fresh_directory_is_made_and_opened_again(tmp_path: Path) -> None:
    made = open_state(tmp_path / "state")
    assert open_state(tmp_path / "state").path == made.path
    assert made.current() is None


def test_a_session_becomes_the_newest_one(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    for name in ("first", "second"):
        second = state.new_session(name)
        assert state.current() != second
        state.mark_newest(name)
    assert state.current() == second
    with pytest.raises(FileExistsError):
        state.new_session("second")


def test_somebody_else_s_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ConfigError, match="not a state directory of mia"):
        open_state(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters.txt"]


def test_a_directory_of_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    open_state(tmp_path / "state")
    (tmp_path / "state" / "VERSION").write_text("7\n")
    with pytest.raises(ConfigError, match="state version '7', this one writes '1'"):
        open_state(tmp_path / "state")


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        open_state(tmp_path / "state")


def test_looking_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no session was ever run"):
        existing_state(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_second_holder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    assert not is_running(state)
    with locked(state) as first:
        assert is_running(state)
        first.seek(0)
        pid = first.read().strip()
        with pytest.raises(ConfigError, match=rf"another mia \(pid {pid}\)"), locked(state):
            pytest.fail("two hold the lock")
        assert is_running(state), "the refused one must not have taken the lock along"
    assert not is_running(state)
