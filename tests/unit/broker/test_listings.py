"""What is held in another expiry than the one traded."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mia_actors.broker.listings import Listings
from mia_actors.core.units import ES
from mia_actors.exchange.contract_names import contract_of_month

DECEMBER, MARCH = contract_of_month("ES", 2013, 12), contract_of_month("ES", 2014, 3)
OURS = "DU1"


def wire(contract: Any, *, symbol: str = "ES", kind: str = "FUT") -> Any:
    return SimpleNamespace(
        conId=contract.con_id, symbol=symbol, secType=kind, localSymbol=contract.instrument
    )


def position(contract: Any, contracts: float, account: str = OURS) -> Any:
    return SimpleNamespace(contract=contract, position=contracts, account=account)


def order(contract: Any, status: str) -> Any:
    return SimpleNamespace(contract=contract, orderStatus=SimpleNamespace(status=status))


class Account:
    """Answers as a connection does."""

    def __init__(self, positions: list[Any], orders: list[Any]) -> None:
        self._positions, self._orders = positions, orders

    async def reqPositionsAsync(self) -> list[Any]:  # noqa: N802 - the library's name
        return self._positions

    async def reqAllOpenOrdersAsync(self) -> list[Any]:  # noqa: N802 - the library's name
        return self._orders

    def ask(self, what: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await request(self)

        return asyncio.run(run())


def elsewhere(positions: list[Any], orders: list[Any]) -> tuple[str, ...]:
    return Listings(Account(positions, orders).ask, ES).elsewhere(MARCH, OURS)


def test_positions_and_working_orders_of_other_expiries_are_named() -> None:
    found = elsewhere(
        [position(wire(DECEMBER), -2), position(wire(MARCH), 1)],
        [order(wire(DECEMBER), "Submitted"), order(wire(MARCH), "Submitted")],
    )
    assert found == ("position of -2 in ESZ3", "working orders in ESZ3")


@pytest.mark.parametrize(
    "positions",
    [
        [position(wire(DECEMBER), 0)],
        [position(wire(DECEMBER), 3, account="DU2")],
        [position(wire(DECEMBER, symbol="NQ"), 3)],
        [position(wire(DECEMBER, kind="FOP"), 3)],
    ],
)
def test_what_is_flat_of_another_account_product_or_kind_is_nobodys_business(positions: list[Any]) -> None:
    assert elsewhere(positions, [order(wire(DECEMBER), "Cancelled")]) == ()
