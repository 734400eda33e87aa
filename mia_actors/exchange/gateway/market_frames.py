"""Frames about the contract and its market. Pure; versions 157 to 178 where they differ."""

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.gateway.history_frames import flow
from mia_actors.exchange.gateway.price_points import Shown
from mia_actors.exchange.gateway.trading_hours import ZONE, hours_text

DETAILS_WITHOUT_VERSION = 164
SAMPLES_HAVE_DESCRIPTION = 176
LONG_NAMES = {"ES": "E-mini S&P 500", "MES": "Micro E-mini S&P 500", "NQ": "E-mini NASDAQ 100"}
SERVICE_DEPTH = "Deep"
MARKET_RULE = 67
UNDERLYING_CON_ID = 11004968


def contract_details(dialect: Dialect, request_id: int, *, now_ns: int) -> list[Field]:
    """The contract, with its hours from a moment on."""
    contract, product = dialect.contract, dialect.product
    head: list[Field] = [10] if dialect.version >= DETAILS_WITHOUT_VERSION else [10, 8]
    found: list[Field] = [
        *head,
        request_id,
        contract.symbol,
        "FUT",
        f"{contract.expiry} 08:30 US/Central",
        0,
        "",
        product.exchange,
        product.currency,
        contract.instrument,
        contract.symbol,
        contract.symbol,
        contract.con_id,
        product.tick_size,
    ]
    if dialect.version < DETAILS_WITHOUT_VERSION:
        found.append("")
    found += [
        product.multiplier,
        "LMT,MKT,STP,STPLMT",
        product.exchange,
        1,
        UNDERLYING_CON_ID,
        _long_name(dialect),
        "",
        contract.month,
        "",
        "",
        "",
        ZONE,
        hours_text(now_ns, regular_only=False),
        hours_text(now_ns, regular_only=True),
        "",
        "",
        0,
        2147483647,
        contract.symbol,
        "IND",
        f"{MARKET_RULE},{MARKET_RULE}",
        contract.expiry,
        "",
    ]
    if dialect.version >= DETAILS_WITHOUT_VERSION:
        found += [1, 1, 1]
    elif dialect.version >= DETAILS_WITHOUT_VERSION - 1:
        found.append(1)
    return found


def market_rule(dialect: Dialect, rule_id: str) -> list[Field]:
    """One price step at every price."""
    return [93, rule_id, 1, 0.0, dialect.product.tick_size]


def symbol_samples(dialect: Dialect, request_id: int, pattern: str) -> list[Field]:
    """What a search finds: the product's index, with futures on it, or nothing."""
    wanted, product = pattern.strip().casefold(), dialect.product
    words = (product.symbol, *_long_name(dialect).split())
    if not wanted or not any(word.casefold().startswith(wanted) for word in words):
        return [79, request_id, 0]
    found: list[Field] = [79, request_id, 1, UNDERLYING_CON_ID, product.symbol, "IND", product.exchange]
    found += [product.currency, 1, "FUT"]
    return [*found, _long_name(dialect), ""] if dialect.version >= SAMPLES_HAVE_DESCRIPTION else found


def depth_exchanges(dialect: Dialect) -> list[Field]:
    """Where there is market depth."""
    return [80, 1, dialect.product.exchange, "FUT", "", SERVICE_DEPTH, 2147483647]


def tick_terms(dialect: Dialect, request_id: int) -> list[Field]:
    """What goes before quotes: the price step."""
    return [81, request_id, dialect.product.tick_size, "", 3]


def realtime_bar(dialect: Dialect, request_id: int, bar: Bar, shown: Shown) -> list[Field]:
    """A 5-second bar."""
    prices = dialect.prices(bar, shown.shift_ticks)
    return [50, 3, request_id, bar.start_ns // NS_PER_S, *prices, *flow(dialect, bar, shown)]


def _long_name(dialect: Dialect) -> str:
    symbol = dialect.product.symbol
    return f"{LONG_NAMES.get(symbol, symbol)} (simulated)"
