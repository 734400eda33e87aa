"""Which version votes at which event time of a session."""

from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.schedule import (
    SCHEDULE_FILE,
    Swap,
    begin_schedule,
    read_schedule,
    schedule_swap,
    version_at,
)


def test_who_comes_first_decides_what_a_session_begins_with(tmp_path: Path) -> None:
    assert begin_schedule(tmp_path, "a") == (Swap(version="a", from_ns=0),)
    assert begin_schedule(tmp_path, "b") == (Swap(version="a", from_ns=0),)
    assert [path.name for path in tmp_path.iterdir()] == [SCHEDULE_FILE]


def test_a_swap_counts_from_its_event_time(tmp_path: Path) -> None:
    begin_schedule(tmp_path, "a")
    schedule_swap(tmp_path, Swap(version="b", from_ns=1000))
    schedule_swap(tmp_path, Swap(version="a", from_ns=2000))
    found = read_schedule(tmp_path)
    assert [version_at(found, moment) for moment in (0, 999, 1000, 1999, 2000)] == ["a", "a", "b", "b", "a"]


@pytest.mark.parametrize("from_ns", [1000, 999, 0])
def test_a_swap_before_one_that_is_known_is_refused(tmp_path: Path, from_ns: int) -> None:
    begin_schedule(tmp_path, "a")
    schedule_swap(tmp_path, Swap(version="b", from_ns=1000))
    with pytest.raises(ConfigError, match="swaps to b later than that already"):
        schedule_swap(tmp_path, Swap(version="c", from_ns=from_ns))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '[{"version": "a"}]', '[{"version": "a", "from_ns": 5}]',
     '[{"version": "a", "from_ns": 0}, {"version": "b", "from_ns": 0}]'],
)  # fmt: skip
def test_a_damaged_schedule_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SCHEDULE_FILE).write_text(text)
    with pytest.raises(ConfigError, match=SCHEDULE_FILE.replace(".", r"\.")):
        begin_schedule(tmp_path, "a")
