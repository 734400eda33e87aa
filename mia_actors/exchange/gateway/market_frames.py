"""Frames about the contract and its market. Pure; versions 157 to 178 where they differ."""

from collections.abc import Sequence

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.dialect import Dialect, stamp
from mia_actors.exchange.gateway.framing import Field

DETAILS_WITHOUT_VERSION = 164
MARKET_RULE = 67
UNDERLYING_CON_ID = 11004968


def contract_details(dialect: Dialect, request_id: int) -> list[Field]:
    """The contract, complete enough to be qualified."""
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
        "E-mini S&P 500 (simulated)",
        "",
        contract.month,
        "",
        "",
        "",
        "US/Central",
        "",
        "",
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


def realtime_bar(dialect: Dialect, request_id: int, bar: Bar) -> list[Field]:
    """A 5-second bar."""
    return [
        50,
        3,
        request_id,
        bar.start_ns // NS_PER_S,
        *dialect.prices(bar),
        bar.volume,
        dialect.weighted_price(bar),
        1,
    ]


def historical(dialect: Dialect, request_id: int, bars: Sequence[Bar], *, epoch: bool) -> list[Field]:
    """Bars of a historical request; the frame also ends it."""
    first = stamp(bars[0].start_ns, epoch=False) if bars else ""
    last = stamp(bars[-1].end_ns, epoch=False) if bars else ""
    found: list[Field] = [17, request_id, first, last, len(bars)]
    for bar in bars:
        found += [
            stamp(bar.start_ns, epoch=epoch),
            *dialect.prices(bar),
            bar.volume,
            dialect.weighted_price(bar),
            1,
        ]
    return found


def quotes(dialect: Dialect, request_id: int, bar: Bar) -> list[list[Field]]:
    """Last, bid and ask after a bar: a simulated one-tick spread around its close."""
    found: list[list[Field]] = []
    for price_type, size_type, ticks in (
        (4, 5, bar.close_ticks),
        (1, 0, bar.close_ticks - 1),
        (2, 3, bar.close_ticks + 1),
    ):
        found.append([1, 6, request_id, price_type, dialect.price(ticks), 1, 0])
        found.append([2, 6, request_id, size_type, 1])
    return found
