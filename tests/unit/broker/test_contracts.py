from datetime import date

import pytest

from mia_actors.broker.contracts import front_contract
from mia_actors.core.errors import ConfigError
from mia_actors.core.units import Contract


def _future(expiry: str, con_id: int = 1) -> Contract:
    return Contract(symbol="ES", expiry=expiry, con_id=con_id)


SEPTEMBER, DECEMBER, MARCH = _future("20130920"), _future("20131220"), _future("20140321")


def _front(today: date, *, month: str | None = None) -> Contract:
    return front_contract([MARCH, SEPTEMBER, DECEMBER], today=today, roll_days=8, month=month)


def test_the_nearest_contract_is_traded_until_its_roll() -> None:
    assert _front(date(2013, 9, 11)) == SEPTEMBER


def test_from_eight_days_before_expiry_the_next_one_is_traded() -> None:
    assert _front(date(2013, 9, 12)) == DECEMBER


def test_where_all_are_near_their_expiry_the_last_one_is_traded() -> None:
    assert _front(date(2026, 1, 1)) == MARCH


def test_a_month_named_is_taken_whatever_the_roll_says() -> None:
    assert _front(date(2013, 9, 19), month="201309") == SEPTEMBER


def test_a_month_the_broker_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match="no contract of month 201306; allowed: 201309, 201312, 201403"):
        _front(date(2013, 9, 1), month="201306")


def test_no_contract_at_all_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match="check the instrument"):
        front_contract([], today=date(2013, 9, 1), roll_days=8, month=None)


def test_two_contracts_of_one_month_are_refused_by_number() -> None:
    twins = [_future("20130920", 5), _future("20130921", 6)]
    with pytest.raises(ConfigError, match=r"ambiguous.*5 \(20130920\), 6 \(20130921\)"):
        front_contract(twins, today=date(2013, 9, 1), roll_days=8, month=None)
