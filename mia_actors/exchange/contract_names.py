"""Names of futures contracts as tapes write them, and the expiry that belongs to them."""

import re
from datetime import date, timedelta

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import MONTH_CODES, PRODUCTS, Contract

NAMES_ALLOWED = "an expiry month such as 201312, or a symbol such as ESZ13"
CENTURY = 2000
FRIDAY = 4
JUNETEENTH_FIRST_YEAR = 2022
CON_ID_STEP = 100_000_000

_MONTH = re.compile(r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?:\d\d)?")
_SYMBOL = re.compile(rf"(?P<symbol>[A-Z]{{2,3}})(?P<code>[{MONTH_CODES}])(?P<year>\d\d)")


def contract_of(name: str, symbol: str = "ES") -> Contract:
    """The contract a tape means by `201312`, `20131220` or `ESZ13`; `symbol` is that of a bare month.

    `con_id` is the simulation's own number: derived from symbol and expiry, the same in every session.

    Raises:
        ConfigError: not such a name, or not a product this system knows.
    """
    if found := _MONTH.fullmatch(name):
        return contract_of_month(symbol, int(found["year"]), int(found["month"]))
    if found := _SYMBOL.fullmatch(name):
        if found["symbol"] not in PRODUCTS:
            raise ConfigError(
                f"contract {name!r}: product {found['symbol']} is not known; allowed: {', '.join(PRODUCTS)}"
            )
        month = MONTH_CODES.index(found["code"]) + 1
        return contract_of_month(found["symbol"], CENTURY + int(found["year"]), month)
    raise ConfigError(f"contract {name!r} is not a name this system reads; allowed: {NAMES_ALLOWED}")


def contract_of_month(symbol: str, year: int, month: int) -> Contract:
    """The contract of a month of a known product."""
    expiry = expiry_date(year, month).strftime("%Y%m%d")
    return Contract(
        symbol=symbol, expiry=expiry, con_id=int(expiry) + CON_ID_STEP * list(PRODUCTS).index(symbol)
    )


def expiry_date(year: int, month: int) -> date:
    """Last trading day: the third Friday, or the Thursday before where the exchange is closed on it.

    That Friday can be Good Friday (March 2008) or Juneteenth (June 2026), a holiday since 2022.
    """
    first = date(year, month, 1)
    friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
    juneteenth = (friday.month, friday.day) == (6, 19) and year >= JUNETEENTH_FIRST_YEAR
    closed = juneteenth or friday == easter_sunday(year) - timedelta(days=2)
    return friday - timedelta(days=1) if closed else friday


def easter_sunday(year: int) -> date:
    """Gregorian Easter by the anonymous algorithm (Meeus, Jones and Butcher)."""
    century, rest = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    moon_shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * (year % 19) + century - leap_centuries - moon_shift + 15) % 30
    leap_years, year_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * leap_years - epact - year_rest) % 7
    correction = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)
