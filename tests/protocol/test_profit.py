"""A profit never halts: every short history of trades at a few prices, judged by the guardian's real core."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from mia_actors.core.orders import Side
from mia_actors.core.units import ES
from mia_actors.guardian.core import Demand, GuardianCore
from mia_actors.guardian.limits import GuardianSettings
from tests.protocol.search import Exploration, explore
from tests.unit.guardian.account import NOON_NS, TICK_USD, fill

LIMIT_TICKS = 16
SETTINGS = GuardianSettings(
    daily_loss_limit_usd=LIMIT_TICKS * TICK_USD, consecutive_losses_max=100, position_contracts_max=2
)
MIDDLE = 6600
PRICES = tuple(MIDDLE + ticks for ticks in (-LIMIT_TICKS, -1, 1, LIMIT_TICKS))
TRADES_MAX = 4
POSITION_MAX = 2
EQUITY_USD = Decimal(10_000)


class Account(NamedTuple):
    """Trades of one contract, positive for a purchase, at their prices; and the price now."""

    trades: tuple[tuple[int, int], ...] = ()
    mark: int = MIDDLE

    @property
    def position(self) -> int:
        """Contracts held."""
        return sum(sign for sign, _ in self.trades)

    @property
    def profit_ticks(self) -> int:
        """What it would come to if closed now: counted by cash, not as the guardian counts."""
        return self.position * self.mark - sum(sign * price for sign, price in self.trades)


def following(account: Account) -> Iterator[tuple[str, Account]]:
    """The price moves, or one contract is traded at it."""
    for price in PRICES:
        if price != account.mark:
            yield f"the price is {price}", account._replace(mark=price)
    if len(account.trades) < TRADES_MAX:
        for sign, verb in ((1, "buys"), (-1, "sells")):
            if abs(account.position + sign) <= POSITION_MAX:
                yield (
                    f"somebody {verb} at {account.mark}",
                    account._replace(trades=(*account.trades, (sign, account.mark))),
                )


@cache
def demanded(account: Account) -> Demand:
    """What the real core asks for."""
    core = GuardianCore(SETTINGS, ES, EQUITY_USD)
    core.add_fills(
        fill(number, Side.BUY if sign > 0 else Side.SELL, price)
        for number, (sign, price) in enumerate(account.trades, start=1)
    )
    return core.assess(NOON_NS + 60 * 10**9, account.mark).demand


def mirrored(account: Account) -> Demand:
    """A core that takes purchases for sales."""
    return demanded(account._replace(trades=tuple((-sign, price) for sign, price in account.trades)))


def searched(judge: Callable[[Account], Demand]) -> Exploration[Account, str]:
    def broken(account: Account) -> str:
        halts = judge(account) is Demand.HALT
        if halts and account.profit_ticks > -LIMIT_TICKS:
            return f"halted with {account.profit_ticks:+d} ticks"
        if not halts and account.profit_ticks <= -LIMIT_TICKS:
            return f"not halted with {account.profit_ticks:+d} ticks"
        return ""

    return explore(Account(), following, broken, states_max=1_000_000)


def test_a_halt_comes_from_a_loss_beyond_the_limit_and_from_nothing_else() -> None:
    found = searched(demanded)
    assert not found.broken, found.trace
    assert found.complete
    assert found.states > 5_000


def test_a_core_with_the_wrong_sign_is_found() -> None:
    """One trade and one move of the price show it."""
    found = searched(mirrored)
    assert found.broken
    assert len(found.trace) == 2
