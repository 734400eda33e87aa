"""What the broker lists of a product and what the account holds in it, expiry by expiry."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

from mia_actors.broker import parse
from mia_actors.broker.front_month import front_by_volume
from mia_actors.broker.wire import IbFuture
from mia_actors.core.errors import BrokerDisconnected, PermissionMissing, TransientError
from mia_actors.core.units import Contract, Product
from mia_actors.telemetry.logs import get_logger

Answer = TypeVar("Answer")
ASKED_MAX = 3
"""Expiries whose volumes are asked for: the market is in one of the nearest."""
VOLUME_DAYS = "3 D"


class Line(Protocol):
    """A session as this module needs it: runs a request within its limit."""

    def __call__(self, what: str, request: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """The answer; errors by the broker's code."""
        ...


class Listings:
    """Questions about all expiries of one product."""

    def __init__(self, ask: Line, product: Product) -> None:
        self._ask = ask
        self._product = product
        self._log = get_logger(actor="listings")

    def expiries(self, *, include_expired: bool) -> dict[Contract, Any]:
        """Every contract listed, with the library's own object for it."""
        product = self._product
        wanted = IbFuture(
            product.symbol,
            exchange=product.exchange,
            currency=product.currency,
            includeExpired=include_expired,
        )
        details = self._ask("contract details", lambda ib: ib.reqContractDetailsAsync(wanted))
        return {parse.contract_of(one.contract): one.contract for one in details}

    def front(
        self, listed: Mapping[Contract, Any], *, today: date, roll_days: int, expiry_days_min: int
    ) -> Contract:
        """The contract the market is in; see `front_by_volume`. Volumes that cannot be had are said so in the log.

        Raises:
            ConfigError: nothing is left that may be traded.
        """
        from_day = today.strftime("%Y%m%d")
        nearest = sorted((one for one in listed if one.expiry >= from_day), key=lambda one: one.expiry)
        volumes = {one.con_id: self._daily_volumes(listed[one]) for one in nearest[:ASKED_MAX]}
        missing = [one.instrument for one in nearest[:ASKED_MAX] if not volumes[one.con_id]]
        if missing and len(volumes) > 1:
            self._log.warning("contract.volumes_unavailable", of=missing, decided_by="days to expiry")
        return front_by_volume(
            tuple(listed), volumes, today=today, roll_days=roll_days, expiry_days_min=expiry_days_min
        )

    def _daily_volumes(self, contract: Any) -> dict[date, float]:
        """Contracts a trade date; empty when they cannot be had."""
        try:
            rows = self._ask(
                "daily volumes",
                lambda ib: ib.reqHistoricalDataAsync(
                    contract,
                    endDateTime="",
                    durationStr=VOLUME_DAYS,
                    barSizeSetting="1 day",
                    whatToShow="TRADES",
                    useRTH=False,
                    formatDate=1,
                    timeout=0,
                ),
            )
        except BrokerDisconnected:
            raise
        except (TransientError, PermissionMissing):
            return {}
        return {row.date: float(row.volume) for row in rows}

    def elsewhere(self, chosen: Contract, account: str) -> tuple[str, ...]:
        """Positions of the account, and working orders, in other expiries than the one chosen, a phrase each."""

        async def positions(ib: Any) -> Sequence[Any]:
            rows: Sequence[Any] = await ib.reqPositionsAsync()
            return rows

        async def orders(ib: Any) -> Sequence[Any]:
            trades: Sequence[Any] = await ib.reqAllOpenOrdersAsync()
            return trades

        held = {
            row.contract.localSymbol: round(row.position)
            for row in self._ask("positions", positions)
            if row.account == account and row.position and self._is_other(row.contract, chosen)
        }
        working = sorted(
            {
                trade.contract.localSymbol
                for trade in self._ask("open orders", orders)
                if self._is_other(trade.contract, chosen)
                and not parse.order_state(trade.orderStatus.status).is_final
            }
        )
        found = [f"position of {contracts:+d} in {name}" for name, contracts in sorted(held.items())]
        return (*found, *(f"working orders in {name}" for name in working))

    def _is_other(self, contract: Any, chosen: Contract) -> bool:
        same_product = contract.symbol == self._product.symbol and contract.secType == "FUT"
        return bool(same_product and contract.conId != chosen.con_id)
