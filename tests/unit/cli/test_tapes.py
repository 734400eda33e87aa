"""Tape options: parsed once, told the same way to this process and to the simulated gateway."""

from datetime import date
from typing import Any

import pytest

from mia_actors.cli.tapes import TapeChoice, tape_choice
from mia_actors.core.errors import ConfigError

NOTHING: dict[str, Any] = {
    "source": "synthetic:3",
    "day": None,
    "start": None,
    "end": None,
    "contract": None,
    "history_days": 10,
    "cycles": None,
}


def choice(**given: Any) -> TapeChoice:
    return tape_choice(**(NOTHING | given))


def test_only_what_was_given_reaches_the_gateway() -> None:
    assert choice().gateway_arguments() == ("--tape", "synthetic:3", "--history-days", "10")


def test_times_without_a_zone_are_utc_and_return_as_they_came() -> None:
    # 2013-10-08 is day 15,986 since 1970.
    found = choice(start="2013-10-08T13:30", end="2013-10-08T10:00:00-04:00", day="2013-10-08", cycles=5)
    midnight_s = 15_986 * 86_400
    assert found.from_ns == (midnight_s + 13 * 3600 + 1800) * 10**9
    assert found.to_ns == (midnight_s + 14 * 3600) * 10**9
    assert found.date == date(2013, 10, 8)
    arguments = found.gateway_arguments()
    assert arguments[arguments.index("--from") + 1] == "2013-10-08T13:30:00"
    assert arguments[arguments.index("--to") + 1] == "2013-10-08T14:00:00"
    assert arguments[arguments.index("--cycles") + 1] == "5"
    selection = found.selection()
    assert (selection.from_ns, selection.to_ns, selection.date) == (found.from_ns, found.to_ns, found.date)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"day": "yesterday"}, "--date 'yesterday' is not a date; write YYYY-MM-DD"),
        ({"start": "noon"}, "--from 'noon' is not a time"),
        ({"end": "25:00"}, "--to '25:00' is not a time"),
        ({"start": "2013-10-08T14:00", "end": "2013-10-08T14:00"}, "is not before"),
        ({"cycles": 0}, "--cycles 0: allowed: 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_option_s_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choice(**given)
