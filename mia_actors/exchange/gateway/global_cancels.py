"""What the gateway notes of every global cancel: how soon it came after a bar, and when the account was flat."""

from collections import deque
from dataclasses import asdict, dataclass

from mia_actors.core.clock import Clock
from mia_actors.exchange.exchange import SimulatedExchange

KEPT = 256
MS_PER_S = 1000.0


@dataclass(slots=True, kw_only=True)
class GlobalCancel:
    """One of them, as it arrived."""

    number: int
    """Counts all of them, from 1."""
    client_id: int
    market_time_ns: int
    after_bar_ms: float | None
    """Since the newest 5-second bar was handed to the kernel for this very client; None without one."""
    orders_before: int
    """Orders taken before it, of all clients: what comes later in the list of orders came after it."""
    flat_at_ns: int | None = None
    """First market time without position and without working orders."""


class GlobalCancels:
    """The last `KEPT` of them. Nothing in here changes what the exchange does."""

    def __init__(self, exchange: SimulatedExchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._bar_left_s: dict[int, float] = {}
        self._kept: deque[GlobalCancel] = deque(maxlen=KEPT)
        self._number = 0

    def bar_leaves(self, client_id: int) -> None:
        """A bar is about to be written to this client."""
        self._bar_left_s[client_id] = self._clock.monotonic_s()

    def arrived(self, client_id: int) -> None:
        """Nothing was cancelled yet."""
        now_s = self._clock.monotonic_s()
        left_s = self._bar_left_s.get(client_id)
        self._number += 1
        self._kept.append(
            GlobalCancel(
                number=self._number,
                client_id=client_id,
                market_time_ns=self._exchange.now_ns,
                after_bar_ms=None if left_s is None else (now_s - left_s) * MS_PER_S,
                orders_before=len(self._exchange.orders()),
            )
        )

    def look(self) -> None:
        """Something happened to the account."""
        if self._exchange.position_contracts or self._exchange.has_working_orders:
            return
        for cancel in reversed(self._kept):
            if cancel.flat_at_ns is not None:
                return
            cancel.flat_at_ns = self._exchange.now_ns

    def after(self, number: int) -> list[dict[str, object]]:
        """Those with a higher number, oldest first, as the control port tells them."""
        return [asdict(cancel) for cancel in self._kept if cancel.number > number]
