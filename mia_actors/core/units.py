"""Instruments and their units: prices are integer ticks inside, money is `Decimal` USD."""

from dataclasses import dataclass, field
from decimal import Decimal
from math import frexp

from mia_actors.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A futures product and the size of its price step."""

    symbol: str
    exchange: str
    currency: str
    tick_size: Decimal
    multiplier: Decimal
    _binary_tick: float = field(init=False, repr=False, compare=False)
    """The tick where it is a power of two, by which floats divide without rounding; else 0."""

    def __post_init__(self) -> None:
        tick = float(self.tick_size)
        is_power_of_two = frexp(tick)[0] == 0.5 and Decimal(tick) == self.tick_size
        object.__setattr__(self, "_binary_tick", tick if is_power_of_two else 0.0)

    @property
    def tick_value_usd(self) -> Decimal:
        """USD gained or lost by one contract when the price moves one tick."""
        return self.tick_size * self.multiplier

    def ticks_of(self, price: float | Decimal | str) -> int:
        """Integer ticks of a price that lies on the grid.

        Raises:
            ValueError: the price is off the tick grid.
        """
        if self._binary_tick and isinstance(price, float):
            count = price / self._binary_tick
            if count.is_integer():
                return int(count)
        ticks = Decimal(str(price)) / self.tick_size
        whole = int(ticks)
        if ticks != whole:
            raise ValueError(f"price {price} is not a multiple of the {self.symbol} tick {self.tick_size}")
        return whole

    def price_of(self, ticks: int) -> Decimal:
        """Exact decimal price of a tick count."""
        return self.tick_size * ticks

    def usd_of(self, ticks: int) -> Decimal:
        """Money value of a tick difference for one contract."""
        return self.tick_value_usd * ticks


ES = Product(symbol="ES", exchange="CME", currency="USD", tick_size=Decimal("0.25"), multiplier=Decimal(50))
MES = Product(symbol="MES", exchange="CME", currency="USD", tick_size=Decimal("0.25"), multiplier=Decimal(5))
NQ = Product(symbol="NQ", exchange="CME", currency="USD", tick_size=Decimal("0.25"), multiplier=Decimal(20))

PRODUCTS = {product.symbol: product for product in (ES, MES, NQ)}

MONTH_CODES = "FGHJKMNQUVXZ"  # January to December, as exchanges write them


def product(symbol: str) -> Product:
    """The product named.

    Raises:
        ConfigError: not a product this system knows.
    """
    try:
        return PRODUCTS[symbol]
    except KeyError:
        raise ConfigError(f"instrument: {symbol!r} is not known; allowed: {', '.join(PRODUCTS)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One expiry of a futures product. `con_id` is the broker's number for it."""

    symbol: str
    expiry: str
    """Last trading day, `YYYYMMDD`."""
    con_id: int

    @property
    def instrument(self) -> str:
        """IB's local symbol, such as `ESZ3` for December 2013; the name used in journals and ledger."""
        return f"{self.symbol}{MONTH_CODES[int(self.expiry[4:6]) - 1]}{self.expiry[3]}"

    @property
    def month(self) -> str:
        """Contract month, `YYYYMM`."""
        return self.expiry[:6]
