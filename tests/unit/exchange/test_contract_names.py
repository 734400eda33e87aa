"""Contract names of tapes, and the day a contract expires."""

from datetime import date

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import PRODUCTS
from mia_actors.exchange.contract_names import contract_of, contract_of_month, easter_sunday, expiry_date


@pytest.mark.parametrize(
    ("name", "instrument", "expiry"),
    [
        ("201312", "ESZ3", "20131220"),
        ("20131220", "ESZ3", "20131220"),
        ("ESH15", "ESH5", "20150320"),
        ("ESH22", "ESH2", "20220318"),
        ("MESM26", "MESM6", "20260618"),
    ],
)
def test_name_gives_contract_and_expiry(name: str, instrument: str, expiry: str) -> None:
    contract = contract_of(name)
    assert (contract.instrument, contract.expiry) == (instrument, expiry)


@pytest.mark.parametrize("name", ["", "ES", "201313", "ESA15", "ESZ3", "2013", "esz13", "@ES"])
def test_other_names_are_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(ConfigError, match="allowed: an expiry month such as 201312"):
        contract_of(name)


def test_unknown_product_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="product CL is not known; allowed: ES, MES, NQ"):
        contract_of("CLZ15")


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        (2013, 12, 20),  # the month begins on a Sunday
        (2015, 5, 15),  # the month begins on a Friday
        (2008, 3, 20),  # the third Friday is Good Friday
        (2026, 6, 18),  # the third Friday is Juneteenth
        (2020, 6, 19),  # it was no holiday then
    ],
)
def test_expiry_is_the_third_friday_or_the_thursday_before_a_holiday(year: int, month: int, day: int) -> None:
    assert expiry_date(year, month) == date(year, month, day)


@pytest.mark.parametrize(
    "easter", [date(2008, 3, 23), date(2019, 4, 21), date(2024, 3, 31), date(2038, 4, 25), date(2035, 3, 25)]
)
def test_easter_falls_where_the_almanac_has_it(easter: date) -> None:
    assert easter_sunday(easter.year) == easter


def test_con_ids_differ_between_contracts_and_fit_the_wire() -> None:
    found = {
        contract_of_month(symbol, year, month).con_id
        for symbol in PRODUCTS
        for year in range(2010, 2030)
        for month in range(1, 13)
    }
    assert len(found) == len(PRODUCTS) * 20 * 12
    assert max(found) < 2**31
    assert contract_of("201312").con_id == contract_of("ESZ13").con_id
