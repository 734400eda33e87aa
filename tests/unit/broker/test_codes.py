import pytest

from mia_actors.broker.codes import CODES, Effect, code_of, error_of, is_empty_history
from mia_actors.core.errors import (
    BrokerDisconnected,
    MiaError,
    OrderRejected,
    PacingExceeded,
    TransientError,
)

NAMED_IN_THE_DESIGN = (
    *(100, 103, 104, 105, 110, 161, 162, 165, 200, 201, 202, 203, 300, 317, 321, 322, 326, 329, 354, 366),
    *(399, 404, 420, 434, 460, 492, 502, 503, 504, 1100, 1101, 1102, 1300),
    *(2103, 2104, 2105, 2106, 2107, 2108, 2109, 2110, 2157, 2158),
    *(10089, 10147, 10148, 10167, 10168, 10197, 10225, 10349),
)


@pytest.mark.parametrize("code", NAMED_IN_THE_DESIGN)
def test_every_code_named_in_the_design_has_a_row(code: int) -> None:
    row = CODES[code]
    assert row.meaning
    assert row.error is None or issubclass(row.error, MiaError)


@pytest.mark.parametrize("code", [202, 399, 404, 2109, 10349])
def test_a_message_on_a_live_order_questions_nothing(code: int) -> None:
    """10349 says that the time in force was preset: the order stays live, whatever the library makes of it."""
    assert code_of(code, on_order=True).effect is Effect.NOTE


def test_an_unknown_code_is_judged_by_where_it_came() -> None:
    assert code_of(99999, on_order=True).effect is Effect.REFUSE
    assert code_of(99999, on_order=True).error is OrderRejected
    assert code_of(99999).error is TransientError
    assert code_of(2199).error is None


def test_the_error_of_a_failed_request_names_code_meaning_and_text() -> None:
    error = error_of(326, "in use")
    assert isinstance(error, BrokerDisconnected)
    assert str(error) == "broker code 326, client id in use: in use"


def test_no_data_is_an_empty_history_and_pacing_is_not() -> None:
    assert is_empty_history(162, "Historical Market Data Service error message:HMDS query returned no data")
    assert not is_empty_history(162, "pacing violation, no data")
    assert isinstance(error_of(162, "pacing violation"), PacingExceeded)
