"""How one client is spoken to: its server version, and the contract and account everything is about. Pure."""

from dataclasses import dataclass
from typing import Protocol

from mia_actors.core.clock import NS_PER_S, utc_datetime
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.gateway.framing import Field

VERSION_MIN, VERSION_MAX = 157, 178
ERROR_HAS_JSON = 166


class Prices(Protocol):
    """A bar of any kind; prices in ticks."""

    @property
    def open_ticks(self) -> int:
        """First price."""

    @property
    def high_ticks(self) -> int:
        """Highest one."""

    @property
    def low_ticks(self) -> int:
        """Lowest one."""

    @property
    def close_ticks(self) -> int:
        """Last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the frames of one connection have in common."""

    version: int
    contract: Contract
    product: Product
    account: str

    def error(self, request_id: int, code: int, message: str) -> list[Field]:
        """A notice or an error; -1 when it belongs to no request."""
        found: list[Field] = [4, 2, request_id, code, message]
        return [*found, ""] if self.version >= ERROR_HAS_JSON else found

    def short_contract(self, exchange: str) -> list[Field]:
        """The contract as executions, positions and the portfolio carry it."""
        contract, product = self.contract, self.product
        return [
            contract.con_id,
            contract.symbol,
            "FUT",
            contract.expiry,
            0.0,
            "",
            product.multiplier,
            exchange,
            product.currency,
            contract.instrument,
            contract.symbol,
        ]

    def price(self, ticks: int) -> float:
        """A price as the wire writes it."""
        return float(self.product.price_of(ticks))

    def prices(self, bar: Prices, shift_ticks: int = 0) -> list[float]:
        """Open, high, low, close, shifted."""
        found = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        return [self.price(one + shift_ticks) for one in found]

    def weighted_price(self, bar: Prices) -> float:
        """The bar's typical price: the simulation has no trades to weigh."""
        return float(self.product.price_of(bar.high_ticks + bar.low_ticks + bar.close_ticks) / 3)


def date_text(time_ns: int) -> str:
    """A moment as the wire writes it."""
    return utc_datetime(time_ns).strftime("%Y%m%d %H:%M:%S UTC")


def stamp(time_ns: int, *, epoch: bool) -> Field:
    """A moment in seconds since 1970, or as text."""
    return time_ns // NS_PER_S if epoch else date_text(time_ns)
