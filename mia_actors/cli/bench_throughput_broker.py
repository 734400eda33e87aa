"""The broker actor as `mia bench throughput` asks it: the same class, which also takes its own time."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from mia_actors.broker.actor import Broker, BrokerSettings
from mia_actors.broker.base_bars import BaseBars
from mia_actors.core.errors import DataStale
from mia_actors.core.market import Bar
from mia_actors.core.orders import OrderReport, OrderSpec, Permit
from mia_actors.supervision.child import ChildContext

RECEIVED_WITHIN_S = 60.0
MS_PER_S = 1000.0


class MeasuredBroker(Broker):
    """What it does for a bar and an order is the broker's; the clock is read twice around each."""

    def __init__(self, settings: BrokerSettings, context: ChildContext) -> None:
        super().__init__(settings, context)
        self._heard = threading.Condition()
        self._count = self._wanted = 0
        self._first = self._last = (0.0, 0.0)
        self._close_ticks = 0
        self._inside_ms: dict[str, list[float]] = {"place": [], "cancel": []}

    def expect(self, count: int) -> int:
        """So many bars are about to come; answers the last price in ticks."""
        with self._heard:
            self._count, self._wanted = 0, count
        return self._close_ticks

    def received(self) -> dict[str, float]:
        """Waits for the bars expected: seconds from the first to the last, worked off, and CPU seconds.

        Raises:
            DataStale: they did not come.
        """
        with self._heard:
            if not self._heard.wait_for(lambda: self._count >= self._wanted, RECEIVED_WITHIN_S):
                raise DataStale(f"{self._count} of {self._wanted} bars")
            return {"seconds": self._last[0] - self._first[0], "cpu_s": self._last[1] - self._first[1]}

    def inside_ms(self) -> dict[str, list[float]]:
        """How long each `place` and `cancel` took inside, without the way here and back."""
        return self._inside_ms

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `Broker.place`."""
        return self._timed("place", super().place, group, permit)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `Broker.cancel`."""
        return self._timed("cancel", super().cancel, order_refs)

    def _timed(self, name: str, method: Any, *facts: Any) -> tuple[OrderReport, ...]:
        began_s = time.perf_counter()
        reports: tuple[OrderReport, ...] = method(*facts)
        self._inside_ms[name].append((time.perf_counter() - began_s) * MS_PER_S)
        return reports

    def _on_bar(self, bars: BaseBars, bar: Bar) -> None:
        super()._on_bar(bars, bar)
        self._close_ticks = bar.close_ticks
        self._count += 1
        if self._count == 1:
            self._first = (time.perf_counter(), time.process_time())
        if self._count == self._wanted:
            with self._heard:
                self._last = (time.perf_counter(), time.process_time())
                self._heard.notify_all()
