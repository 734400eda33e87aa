"""The second of the two gates in front of the market: what may go out, judged at the broker itself. Pure."""

from collections.abc import Sequence

from mia_actors.core.errors import OrderRejected, PermitStale
from mia_actors.core.orders import OrderSpec, Permit, Purpose
from mia_actors.core.permit_gate import PERMIT_STALE, SHARED_CLOCK_DRIFT_NS, Denied, PermitGate

PRICE_BAND_TICKS = 1_000
"""Further from the market no leg of an entry may be: more than any bracket's target, less than a digit too many."""


class OrderGate:
    """Entries need a permit and their stop; everything else may only reduce the position.

    The fence of the lease protocol. Guarantees beside those of `PermitGate`: once an entry of an incarnation of
    the executor was seen none of an older one passes; what reduces the position passes whatever was seen, with
    any permit or none.
    """

    def __init__(
        self,
        *,
        born_monotonic_ns: int,
        drift_ns: int = SHARED_CLOCK_DRIFT_NS,
        epoch_seen: int = 0,
        executor_seen: int = 0,
        price_band_ticks: int = PRICE_BAND_TICKS,
    ) -> None:
        self._price_band_ticks = price_band_ticks
        self._permits = PermitGate(
            epoch_seen=epoch_seen, born_monotonic_ns=born_monotonic_ns, drift_ns=drift_ns
        )
        self._executor_seen = executor_seen

    @property
    def seen(self) -> tuple[int, int]:
        """The highest epoch and the highest incarnation of the executor shown to this gate."""
        return self._permits.epoch_seen, self._executor_seen

    def check(
        self,
        group: Sequence[OrderSpec],
        permit: Permit | None,
        *,
        held_contracts: int,
        entering_contracts: int,
        market_ticks: int | None,
        now_monotonic_ns: int,
    ) -> None:
        """Passes a group that may go out.

        `held_contracts` is the position by the broker's word, `entering_contracts` what entries still working
        could add to it, `market_ticks` the newest price; without one no entry goes out.

        Raises:
            OrderRejected: the gate is shut.
            PermitStale: a fresh permit may open it.
        """
        entries = [spec for spec in group if spec.purpose is Purpose.ENTRY]
        if not entries:
            for spec in group:
                _check_reduces(spec, held_contracts)
            return
        entry = entries[0]
        _check_protected(entry, entries, group)
        self._check_prices(entry, group, market_ticks)
        self._check_executor(entry, permit)
        resulting = held_contracts + entering_contracts + entry.side.sign * entry.quantity
        verdict = self._permits.check(
            permit, resulting_contracts=resulting, now_monotonic_ns=now_monotonic_ns
        )
        if isinstance(verdict, Denied):
            error = PermitStale if verdict.reason in PERMIT_STALE else OrderRejected
            raise error(f"{entry.order_ref}: {verdict.reason}: {verdict.detail}")

    def _check_prices(self, entry: OrderSpec, group: Sequence[OrderSpec], market_ticks: int | None) -> None:
        """Every price near the market, and the market on the right side of the stop."""
        if market_ticks is None:
            raise OrderRejected(f"{entry.order_ref}: the market's price is not known")
        for spec in group:
            for price in (spec.limit_ticks, spec.stop_ticks):
                if price is not None and abs(price - market_ticks) > self._price_band_ticks:
                    raise OrderRejected(
                        f"{spec.order_ref}: price of {price} ticks is {abs(price - market_ticks)} from the "
                        f"market at {market_ticks}, at most {self._price_band_ticks}"
                    )
            stop_ticks = spec.stop_ticks if spec.purpose is Purpose.STOP else None
            if stop_ticks is not None and (market_ticks - stop_ticks) * entry.side.sign <= 0:
                raise OrderRejected(
                    f"{spec.order_ref}: the market at {market_ticks} is at or beyond the stop at {stop_ticks}"
                )

    def _check_executor(self, entry: OrderSpec, permit: Permit | None) -> None:
        """A successor of the executor has been here: what its dead predecessor had on its way is void."""
        if permit is None:
            return
        if permit.executor_incarnation < self._executor_seen:
            raise OrderRejected(
                f"{entry.order_ref}: sent by incarnation {permit.executor_incarnation} of the executor, "
                f"incarnation {self._executor_seen} was here already"
            )
        self._executor_seen = permit.executor_incarnation


def _check_reduces(spec: OrderSpec, held_contracts: int) -> None:
    reduces = spec.side.sign * held_contracts < 0 and spec.quantity <= abs(held_contracts)
    if not reduces:
        raise OrderRejected(
            f"{spec.order_ref}: holding {held_contracts}, to {spec.side} {spec.quantity} is not a reduction"
        )


def _check_protected(entry: OrderSpec, entries: Sequence[OrderSpec], group: Sequence[OrderSpec]) -> None:
    stops = [
        spec
        for spec in group
        if spec.purpose is Purpose.STOP
        and spec.parent_ref == entry.order_ref
        and spec.side is entry.side.opposite
        and spec.quantity == entry.quantity
    ]
    if len(entries) != 1 or group[0] is not entry or len(stops) != 1:
        raise OrderRejected(
            f"{entry.order_ref}: an entry goes out first of its group, with one stop of its size"
        )
